package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNeededStrings(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       []string
	}{
		{`password`, []string{"password"}},
		{`(?i)\b(JWT|oauth)\b`, []string{"jwt", "oauth"}},
		{`crypto/(aes|rsa)`, []string{"crypto/"}},
		{`x+yz{2,}w?`, []string{"x"}},
		{`has_perms?`, []string{"has_perm"}},
		{`a|`, nil},
		{`\w+`, nil},
		{`(ab)?`, nil},
		{`[ab]c.*long`, []string{"long"}},
	} {
		if got := neededBy(regexp.MustCompile(test.expression)).strings; !slices.Equal(got, test.want) {
			t.Errorf("%s needs %q, want %q", test.expression, got, test.want)
		}
	}
}

// The index never rules out an expression that matches, whatever the expression and the text.
func TestIndexMissesNothing(t *testing.T) {
	letters := []rune("abkKsSKſß|*+?().[]^$\\{}1,iwb é\uFFFD\n")
	word := rapid.OneOf(rapid.StringOf(rapid.SampledFrom(letters)), rapid.SampledFrom([]string{"(?i)", "(?i)ask|SSK", "b(as|k)+", "\\bkab\\b", "a{2}b?", "[ks]a", "(?i)sk", "\xff"}))
	rapid.Check(t, func(t *rapid.T) {
		var trigger Trigger
		for range rapid.IntRange(1, 4).Draw(t, "expressions") {
			source := word.Draw(t, "a") + word.Draw(t, "b")
			if _, err := syntax.Parse(source, syntax.Perl); err != nil {
				continue
			}
			trigger.Content = append(trigger.Content, regexp.MustCompile(source))
		}
		x := newContentIndex([]*Trigger{&trigger})
		patch := "@@ -1 +1 @@\n+" + word.Draw(t, "text") + word.Draw(t, "more") + word.Draw(t, "end")
		var candidates bitset
		x.find(patch, &candidates)
		var none contentIndex
		if got, want := x.match(&trigger, patch, &candidates), none.match(&trigger, patch, &candidates); got != want {
			t.Fatalf("%q: %v, want %v of %v", patch, got, want, trigger.Content)
		}
	})
}
