package release

import "testing"

func TestRunInAnAddress(t *testing.T) {
	for address, want := range map[string]int64{
		"https://github.com/acme/shop/actions/runs/17":                                            17,
		"https://github.com/acme/shop/actions/runs/17/job/3":                                      17,
		"https://api.github.com/repos/acme/shop/actions/runs/17/deployment_protection_rule":       17,
		"https://api.github.com/repos/acme/shop/actions/runs/9223372036854775808/deployment_rule": 0,
		"https://github.com/acme/shop/actions/runs/-17":                                           0,
		"https://github.com/acme/shop/actions/runs/":                                              0,
		"https://ci.example/17": 0,
		"":                      0,
	} {
		if got := runIn(address); got != want {
			t.Errorf("%q: %d, want %d", address, got, want)
		}
		if is := (&OnGitHub{LogURL: address}).logIsOf(0); is {
			t.Errorf("%q is the log of a job that names no run", address)
		}
	}
}
