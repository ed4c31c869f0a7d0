package storytest

import (
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	for usage, calls := range map[string]map[string]bool{
		"":                               {"": true, "1": false, "! ": false},
		"N":                              {"1": true, "": false, "1 2": false, "! 1": false},
		"! N TEXT":                       {"1 x": true, "! 1 x": true, "! 1": false},
		"N OUTCOME [TITLE]":              {"1 success": true, "1 success x": true, "1": false, "1 success x y": false},
		"N KIND [TEXT…]":                 {"1 x": true, "1 x y z": true, "1": false},
		"[start|OUTCOME] [ENVIRONMENT]":  {"": true, "failure prod": true, "failure prod x": false},
		"! N ENVIRONMENT TEXT or N none": {"1 prod x": true, "! 1 prod x": true, "1 none": true, "1 prod": false, "! 1 none": false},
		"ENV COUNT or ENV ANSWER TEXT":   {"prod 1": true, "prod approved x": true, "prod": false},
	} {
		for call, want := range calls {
			args, neg := strings.CutPrefix(call, "! ")
			if got := fits(usage, neg, strings.Fields(args)); got != want {
				t.Errorf("%q fits %q: %t", call, usage, got)
			}
		}
	}
}
