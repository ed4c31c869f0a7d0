package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is how bright WCAG takes a colour for, which is written as #rgb or #rrggbb.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	digits := strings.TrimPrefix(color, "#")
	if len(digits) == 3 {
		digits = strings.Join([]string{digits[:1], digits[:1], digits[1:2], digits[1:2], digits[2:], digits[2:]}, "")
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		part, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatalf("%q is no colour", color)
		}
		c := float64(part) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestContrast: in light and in dark, text can be read against what it stands on as WCAG's level AA asks, and where the focus is can be seen.
func TestContrast(t *testing.T) {
	text, err := embedded.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(text), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "\n}")
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]+);`).FindAllStringSubmatch(css, -1) {
			colors[m[1]] = m[2]
		}
		for _, pair := range []struct {
			on, text string // texts, parted by spaces
			least    float64
		}{
			{"bg", "ink quiet link good bad wait", 4.5}, {"card", "ink quiet link good bad wait", 4.5}, {"soft", "ink quiet link", 4.5},
			{"good-bg", "ink quiet good", 4.5}, {"bad-bg", "ink quiet bad", 4.5}, {"wait-bg", "ink quiet wait", 4.5}, {"line", "quiet", 4.5},
			{"accent", "on-accent", 4.5}, {"bg", "accent", 3}, {"card", "accent", 3},
		} {
			for name := range strings.FieldsSeq(pair.text) {
				a, b := luminance(t, colors[pair.on]), luminance(t, colors[name])
				if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < pair.least {
					t.Errorf("%s: the contrast of %s on %s is %.2f, want %.1f", scheme, name, pair.on, got, pair.least)
				}
			}
		}
	}
}
