package demo

import (
	"bytes"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
)

// TestChanges opens every change that the pages offer: what their notes promise must be so.
func TestChanges(t *testing.T) {
	want := map[string]string{
		"01-docs":       "● Standard: 0 of 1 approval",
		"02-code":       "● Normal: 0 of 1 approval",
		"03-incomplete": "✗ Normal: 0 of 1 approval · rollback plan missing · testing unfinished",
		"04-migration":  "● High-risk: 0 of 2 approvals · tech lead · security review",
		"05-bump":       "● Standard: 0 of 1 approval",
		"06-dependency": "● Normal: 0 of 1 approval · security review",
		"07-auth":       "● Normal: 0 of 1 approval · security review",
		"08-terraform":  "✗ High-risk: 0 of 2 approvals · tech lead · security review · security considerations missing",
		"09-workflow":   "● High-risk: 0 of 2 approvals · tech lead · security review",
		"10-policy":     "● High-risk: 0 of 2 approvals · tech lead · security review",
		"11-huge":       "● High-risk: 0 of 2 approvals · tech lead · security review",
		"12-emergency":  "✗ Normal: 0 of 1 approval · description missing · risk missing · rollback plan missing · testing missing",
	}
	var out bytes.Buffer
	d, err := start(t.Context(), options(t, &out), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()
	shop, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	all, err := proposals(shop)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.story {
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			title, listed := want[p.ID]
			if !listed {
				t.Fatal("the test does not know what to expect of it")
			}
			by := p.By
			if by == "" {
				by = "alice"
			}
			pull, err := d.sim.As(by).OpenPull(repo, githubsim.PullOptions{Title: p.Title, Body: p.Body, Branch: p.Branch, Files: p.Files})
			if err != nil {
				t.Fatal(err)
			}
			if err := runTests(d.sim, pull); err != nil {
				t.Fatal(err)
			}
			if err := settle(t.Context(), d.sim, d.app.Idle); err != nil {
				t.Fatal(err)
			}
			v, err := d.sim.PullView(repo, pull.Number)
			if err != nil {
				t.Fatal(err)
			}
			if c := required(v); mark(c.State())+" "+c.Title != title {
				t.Errorf("the check says %s %s, want %s", mark(c.State()), c.Title, title)
			}
		})
	}
}
