package policy

import "testing"

func TestRegexpSteps(t *testing.T) {
	for _, test := range []struct {
		source string
		want   int
	}{
		{"x", 1},
		{"password", 8},
		{"[a-z0-9]", 1},
		{"x{50}", 50},
		{"[a-z0-9]{40}", 40},
		{"x{0,50}", 100}, // at each it may end
		{"(?:x{5}){4}", 20},
		{"x(", 0},
		{"((x{5}|[yz]w){10}z{2,}){20}", MaxRegexpSteps + 1},
	} {
		if got := regexpSteps(test.source); got != test.want {
			t.Errorf("%s comes to %d steps, not %d", test.source, got, test.want)
		}
	}
}
