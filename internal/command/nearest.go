package command

import (
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/typo"
)

// maxVerb is how many bytes of what is no verb are looked at and shown.
const maxVerb = 40

// nearest returns the verb that was most likely meant; empty if none is near: one that is begun, or at most a letter in three away.
func nearest(word string, usages []Usage) Verb {
	if len(word) > maxVerb {
		return ""
	}
	word = strings.ToLower(word)
	var best Verb
	distance := 1 + max(1, len(word)/3)
	for _, u := range usages {
		if len(word) > 2 && strings.HasPrefix(string(u.Verb), word) {
			return u.Verb
		}
		if d := typo.Distance(word, string(u.Verb)); d < distance {
			best, distance = u.Verb, d
		}
	}
	return best
}

// shorten cuts what a stranger wrote to what a sentence can carry.
func shorten(s string) string { return change.Shorten(s, maxVerb+len("…")) }
