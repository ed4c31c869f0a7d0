package command

import (
	"strings"
	"unicode/utf8"
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
		if d := edits(word, string(u.Verb)); d < distance {
			best, distance = u.Verb, d
		}
	}
	return best
}

// edits counts the bytes to insert, delete or replace to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// shorten cuts what a stranger wrote to what a sentence can carry.
func shorten(s string) string {
	if len(s) <= maxVerb {
		return s
	}
	cut := maxVerb
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
