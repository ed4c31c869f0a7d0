package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"pgregory.net/rapid"
)

func TestGlobs(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		fold     bool
		path     string
		want     string // the pattern that matches, "" for none
	}{
		{"the first in the order of the list", []string{"docs/**", "**/*.md"}, false, "docs/a.md", "docs/**"},
		{"a folder at any depth", []string{"**/migrations/**"}, false, "app/migrations/0001.py", "**/migrations/**"},
		{"a folder at the root", []string{"**/migrations/**"}, false, "migrations/0001.py", "**/migrations/**"},
		{"a folder's name is whole", []string{"**/auth/**"}, false, "lib/authors/x.go", ""},
		{"a star stays within a segment", []string{"*.md"}, false, "docs/a.md", ""},
		{"alternatives", []string{"**/*.{yml,yaml}"}, false, "a/b.yaml", "**/*.{yml,yaml}"},
		{"alternatives of whole segments", []string{"{a,b/c}/**"}, false, "b/c/d", "{a,b/c}/**"},
		{"a class", []string{"v[0-9]/x"}, false, "v7/x", "v[0-9]/x"},
		{"an escaped star", []string{`a\*b`}, false, "a*b", `a\*b`},
		{"case is respected", []string{"**/Auth/**"}, false, "auth/x", ""},
		{"case is ignored", []string{"**/Auth/**"}, true, "lib/aUTH/x", "**/Auth/**"},
		{"case of an extension", []string{"**/*.tf"}, true, "MAIN.TF", "**/*.tf"},
		{"a class ignores case", []string{"[a-f]x"}, true, "CX", "[a-f]x"},
		{"the Kelvin sign is a k", []string{"**/keys/**"}, true, "Keys/x", "**/keys/**"},
		{"the long s is an s", []string{"**/session*"}, true, "ſeſſion.rb", "**/session*"},
		{"a dotted capital i is an i", []string{"**/migrations/**"}, true, "db/mİgratıons/1", "**/migrations/**"},
		{"sigmas are one letter", []string{"Σ/*"}, true, "ς/x", "Σ/*"},
		{"an accent of its own", []string{"größe/*"}, true, "gro\u0308ße/x", "größe/*"},
		{"a look-alike is another letter", []string{"**/auth/**"}, true, "\u0430uth/x", ""},
		{"a newline in a path", []string{"**/auth/**"}, true, "a\n/auth/x\ny", "**/auth/**"},
		{"a path that is not UTF-8", []string{"**/*.tf"}, true, "\xff\xfe/A.TF", "**/*.tf"},
		{"everything", []string{"**"}, false, "a/b", "**"},
		{"no pattern", nil, false, "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := NewGlobs(tt.patterns, tt.fold)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := g.Match(tt.path); got != tt.want {
				t.Errorf("Match(%q) = %q, want %q", tt.path, got, tt.want)
			}
		})
	}
	var none *Globs
	if _, ok := none.Match("a"); ok {
		t.Error("a nil list matches")
	}
}

func TestGlobsRefused(t *testing.T) {
	tests := []struct{ pattern, want string }{
		{"", "is empty"},
		{"!docs/**", "is a negation"},
		{"/docs/**", `write "docs/**"`},
		{"./docs/**", `write "docs/**"`},
		{"docs/", `write "docs/**"`},
		{"a//b", "two slashes"},
		{"a[", "is malformed"},
		{"a{b", "is malformed"},
		{`a\`, "is malformed"},
		{"\xff", "is not UTF-8"},
		{"./.github/**", `write ".github/**"`},
		{"/docs/", `write "docs/**"`},
		{"/", `write "**"`},
		{"../infra/**", `no path has a folder "." or "..": write "infra/**"`},
		{"db/../infra/**", `write "infra/**"`},
		{"a/./b", `write "a/b"`},
		{"a/..", `can never match`},
		{"{docs/,src/}", `in one of its alternatives`},
		{"src/{/a,b}", `in one of its alternatives`},
		{"a/{b,}/c", `in one of its alternatives`},
		{"{a,b/..}/c", `no path has a folder "." or ".."`},
		{"C:/infra/**", `with no drive before it: write "infra/**"`},
		{`c:\infra\**`, `write "infra/**"`},
		{`shop\migrations\**`, `folders are separated by slashes: write "shop/migrations/**"`},
		{`a\*\b`, "folders are separated by slashes"},
		{"**.md", `write "**/*.md"`},
		{"docs/**.md", `write "docs/**/*.md"`},
		{"a**/b", `not alone between slashes, which matches no more than *: put a slash on either side of it, as in a/**/b: write "a/**/b"`},
		{"a**/*b", `write "a/**/*b"`},
		{"a**b", `write "a/**/b"`},
		{"***", `write "**"`},
		{"{a,b}**", `write "{a,b}/**"`},
		{"**/*.sql,**/*.py", "make 2 patterns of it"},
		{"{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "too many alternatives"},
		{strings.Repeat("a", 513), "has 513 bytes"},
	}
	for _, tt := range tests {
		_, err := NewGlobs([]string{"ok", tt.pattern}, false)
		var pe *PatternError
		if !errors.As(err, &pe) {
			t.Errorf("%q: %v, want a PatternError", tt.pattern, err)
			continue
		}
		if pe.Index != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v (index %d), want %q", tt.pattern, err, pe.Index, tt.want)
		}
	}
	for _, fine := range []string{`a\*b`, `a\[b\]`, `\!a`, `a\\b`, `a\.b`, "...", ".github/**", "a..b/.x", "c:d", "a,b"} {
		if _, err := NewGlobs([]string{fine}, true); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewGlobs([]string{"[A-z]"}, true); err == nil {
		t.Error("a range across cases is accepted where case is ignored")
	}
	if _, err := NewGlobs(make([]string, MaxPatterns+1), false); err == nil {
		t.Error("too many patterns are accepted")
	}
}

// TestPatternMendsAreAccepted: who writes what a mend says is not refused again.
func TestPatternMendsAreAccepted(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "B", "*", "**", "***", "/", ".", "..", "{a,b}", "{a/,", "}", "[ab]", `\`, ",", "C:", "?", "!"})
	rapid.Check(t, func(t *rapid.T) {
		p := strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pattern"), "")
		e := checkPattern(p, false)
		if e == nil {
			return
		}
		if _, better, ok := strings.Cut(e.Mend, `: write "`); ok {
			if again := checkPattern(strings.TrimSuffix(better, `"`), false); again != nil || strings.Contains(better, `\`) {
				t.Fatalf("%v, and that: %v", e, again)
			}
		}
	})
}

// TestGlobsAgreeWithDoublestar holds the index to what it stands for: the first pattern that doublestar alone would match.
func TestGlobsAgreeWithDoublestar(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "A", "İ", "é", "*", "?", "/", "/", "**", "/**/", "{a,b}", "{a/b,*}", "{,a}",
		"{a,{b,c}}", "[ab]", "[!a]", "[a-c]", "[a/]", `\*`, `\{`, ".", "\ufffd", "}", ",", "-"})
	pathPiece := rapid.SampledFrom([]string{"a", "b", "c", "ab", "A", "B", "İ", "é", "É", "/", "/", ".", "*", "{", "\xff", "\n", "}", ","})
	rapid.Check(t, func(t *rapid.T) {
		foldCase := rapid.Bool().Draw(t, "fold")
		var patterns []string
		for range rapid.IntRange(1, 6).Draw(t, "count") {
			p := strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pattern"), "")
			if checkPattern(p, foldCase) == nil {
				patterns = append(patterns, p)
			}
		}
		path := strings.Join(rapid.SliceOfN(pathPiece, 1, 8).Draw(t, "path"), "")
		g, err := NewGlobs(patterns, foldCase)
		if err != nil {
			t.Fatal(err)
		}
		want := -1
		for i, p := range patterns {
			if foldCase {
				p = fold(p)
			}
			subject := path
			if foldCase {
				subject = fold(path)
			}
			if ok, err := doublestar.Match(p, subject); err != nil {
				t.Fatalf("doublestar refuses %q", p)
			} else if ok {
				want = i
				break
			}
		}
		if got := g.Find(path); got != want {
			t.Fatalf("%q in %q: found %d, doublestar finds %d", path, patterns, got, want)
		}
	})
}

// TestFoldHidesCase holds folding to Unicode: what strings.EqualFold takes for equal folds to one string.
func TestFoldHidesCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Rune().Draw(t, "rune")
		if a, b := foldRune(r), foldRune([]rune(strings.ToUpper(string(r)))[0]); strings.EqualFold(string(r), strings.ToUpper(string(r))) && a != b {
			t.Fatalf("%q folds to %q, its upper case to %q", r, a, b)
		}
		s := rapid.OneOf(rapid.String(), rapid.Just("\u1fba\u0345")).Draw(t, "string")
		if fold(s) != fold(fold(s)) {
			t.Fatalf("folding %q twice is not folding it once", s)
		}
	})
}

func benchmarkPatterns() []string {
	var patterns []string
	for i := range 50 {
		patterns = append(patterns, fmt.Sprintf("**/module%d/**", i), fmt.Sprintf("**/*.ext%d", i),
			fmt.Sprintf("**/*session%d*", i), fmt.Sprintf("services/{api,web}%d/**/*.go", i))
	}
	return patterns
}

func BenchmarkGlobs(b *testing.B) {
	g, err := NewGlobs(benchmarkPatterns(), true)
	if err != nil {
		b.Fatal(err)
	}
	for _, files := range []int{12, 3000} {
		var paths []string
		for i := range files {
			paths = append(paths, fmt.Sprintf("services/Billing%d/internal/Handlers/invoice_%d_test.go", i%40, i))
		}
		b.Run(fmt.Sprintf("files=%d,patterns=200", files), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range paths {
					g.Find(p)
				}
			}
		})
	}
}
