package reconcile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/policies"
)

// decided returns a run and its subject, as they are when a change to some files was decided.
func decided(tb testing.TB, files int) (*run, *subject) {
	tb.Helper()
	fallback, err := policy.Parse(policies.DefaultSource, policies.Default())
	if err != nil {
		tb.Fatal(err)
	}
	s := &subject{facts: change.Facts{
		Now:     nine,
		Pull:    change.Pull{Number: 3, Title: "Say hello", Body: "What for.", Author: alice, State: change.Open},
		Content: change.Content{Head: "h1", BaseTip: "b1", MergeBase: "b1", Commits: []change.Commit{{SHA: "h1", Author: change.Signature{Account: alice}}}},
		Reviews: []change.Review{{ID: 7, By: bob, State: change.Approved, SHA: "h1", At: at(1)}},
		Checks:  []change.Check{{Name: "build", App: "github-actions", RunID: 5, State: change.CheckSuccess, At: at(2), Started: at(1)}},
		People:  map[change.AccountID]change.Person{2: {Account: bob, Permission: change.PermissionWrite, ReadAt: at(3)}},
		Teams:   map[string]change.Team{"reviewers": {ID: 9, Slug: "reviewers", Members: []change.Account{bob}, ReadAt: at(3)}},
	}}
	for i := range files {
		s.facts.Content.Files = append(s.facts.Content.Files, change.File{
			Path: fmt.Sprintf("src/package%d/file%d.go", i%20, i), Status: change.FileModified, Additions: 1, Blob: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
			Patch: "@@ -1 +1,2 @@\n+a line of code\n",
		})
	}
	s.decision = change.Decision{Pull: change.PullKey{Repository: 7, Number: 3}, Head: "h1", Base: "main", BaseTip: "b1", Governed: true, Policy: fallback.Ref}
	rc := New(Config{Default: fallback, DefaultText: string(policies.Default())})
	return &run{Reconciler: rc, main: s}, s
}

// restsOnTexts returns the texts of what a subject's decision rests on.
func restsOnTexts(t *testing.T, r *run, s *subject) (list []string) {
	t.Helper()
	parts, err := restsOn(s)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := r.texts(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(parts, texts...) {
		text, err := ledger.Canonical(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

func TestWhatADecisionRestsOn(t *testing.T) {
	r, s := decided(t, 2)
	before, err := json.Marshal(s.facts)
	if err != nil {
		t.Fatal(err)
	}
	first := restsOnTexts(t, r, s)
	all := strings.Join(first, "\n")
	for _, want := range []string{
		`{"facts":{`, `"run_id":5`, `"started":"2026-01-05T09:01:00Z"`, `"state":"APPROVED"`, `"permission":"write"`, `"teams_read":{"reviewers":"2026-01-05T09:03:00Z"}`,
		`{"content":{`, `"path":"src/package1/file1.go"`, `"blob":"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"`,
		`{"description":"What for."}`, `{"teams":{"reviewers":{"id":9,"members":[{"id":2,"kind":"User","login":"bob"}],"slug":"reviewers"}}}`,
		`{"policy":{"digest":"` + r.Default.Ref.Digest + `","source":"the built-in default","text":"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in\n%s", want, all)
		}
	}
	if strings.Contains(all, "a line of code") {
		t.Error("code is in it")
	}
	after, err := json.Marshal(s.facts)
	if err != nil || string(before) != string(after) {
		t.Errorf("the facts were altered: %s, %v", cmp.Diff(string(before), string(after)), err)
	}

	// Only what changed is another exhibit.
	s.facts.Now = at(9)
	team := s.facts.Teams["reviewers"]
	team.ReadAt = at(8)
	s.facts.Teams["reviewers"] = team
	s.facts.Reviews[0].State = change.Dismissed
	second := restsOnTexts(t, r, s)
	if first[0] == second[0] || !cmp.Equal(first[1:], second[1:]) {
		t.Errorf("another review changes (-before +after):\n%s", cmp.Diff(first, second))
	}
}

func TestWhatAGroupsDecisionRestsOn(t *testing.T) {
	r, one := decided(t, 2)
	_, two := decided(t, 2)
	two.facts.Pull.Number, two.facts.Content.Head, two.decision.Pull.Number = 4, "h2", 4
	g := change.Group{
		MergeGroup: change.MergeGroup{Head: "g2", Base: "g1", BaseRef: "refs/heads/main"}, MembersKnown: true, Ahead: change.Waiting,
		Members: []change.GroupMember{{Number: 3, Queued: "h1", Decision: one.decision}, {Number: 4, Queued: "h2", Decision: two.decision}, {Number: 5}},
		Content: change.Seen{MergeBase: "g1", Files: []change.File{{Path: "src/a.go", Blob: "b"}}},
	}
	list, err := groupRestsOn(g, []member{{r, []*subject{one}}, {r, []*subject{two}}, {}}) // of the last nothing could be decided
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, x := range list {
		text, err := ledger.Canonical(x)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	all := strings.Join(texts, "\n")
	for want, n := range map[string]int{
		`{"group":{"ahead":"waiting","base":"g1",`: 1, `"listed":true`: 1, `"path":"src/a.go"`: 1, `"number":3,"queued":"h1"}`: 1, `"number":5}`: 1,
		`{"facts":{`: 2, `{"content":{`: 2, `{"teams":{`: 1, `{"description":`: 1, `{"policy":{`: 1, // what members have in common is there once
	} {
		if got := strings.Count(all, want); got != n {
			t.Errorf("%s is there %d times, want %d, in\n%s", want, got, n, all)
		}
	}
}

func TestTextsOfPolicies(t *testing.T) {
	own, floor := change.PolicyRef{Source: change.PolicyPath, SHA: "p1"}, change.PolicyRef{Source: "acme/.github/" + change.OwnerPolicyPath, SHA: "f1"}
	for _, row := range []struct {
		name         string
		own, floor   change.PolicyRef
		problem      string
		want, absent string
	}{
		{"its own and the owner's", own, floor, "", `"text":"its own"`, "built-in"},
		{"one that cannot be used", own, change.PolicyRef{}, "", `"text":"its own"`, "owner's"},
		{"one that cannot be read", own, floor, "it is a symlink", `"text":"the owner's"`, "its own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s := decided(t, 0)
			s.keepText(own, github.PolicyFile{Found: true, Text: "its own", Problem: row.problem})
			s.keepText(floor, github.PolicyFile{Found: true, Text: "the owner's"})
			s.decision.Policy, s.decision.Floor = row.own, row.floor
			texts, err := r.texts(s)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(texts)
			if err != nil || !strings.Contains(string(text), row.want) || strings.Contains(string(text), row.absent) {
				t.Errorf("got %s, %v; want %s and not %s", text, err, row.want, row.absent)
			}
		})
	}
}

func TestPolicyInForce(t *testing.T) {
	_, s := decided(t, 0)
	one := inForce(s.decision, nil)
	s.decision.Head, s.decision.BaseTip = "h2", "b2"
	if two := inForce(s.decision, nil); one.Digest != two.Digest || one.Branch != "main" || two.Entry.Subject != (ledger.Subject{Repository: 7, SHA: "b2"}) {
		t.Errorf("at another commit: %+v, before %+v", two, one)
	}
	s.decision.Floor = change.PolicyRef{Source: "acme/.github/" + change.OwnerPolicyPath, SHA: "f1", Digest: "d"}
	if two := inForce(s.decision, nil); one.Digest == two.Digest {
		t.Error("the owner's policy makes no difference")
	}
	merged := s.decision
	merged.State = change.Merged
	if none := inForce(merged, nil); none != nil {
		t.Errorf("after the merge: %+v", none)
	}
	s.decision.Policy = change.PolicyRef{}
	if none := inForce(s.decision, nil); none != nil {
		t.Errorf("without a policy: %+v", none)
	}
}

// BenchmarkRestsOn says what a decision costs beside its entries: the time to make what it rests on ready, and its bytes; of these, those
// that differ from decision to decision.
func BenchmarkRestsOn(b *testing.B) {
	for _, files := range []int{10, 3000} {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r, s := decided(b, files)
			total, facts := 0, 0
			for b.Loop() {
				parts, err := restsOn(s)
				if err != nil {
					b.Fatal(err)
				}
				texts, err := r.texts(s)
				if err != nil {
					b.Fatal(err)
				}
				parts = append(parts, texts...)
				total, facts = 0, parts[0].(ledger.Sealed).Len()
				for _, p := range parts {
					sealed, err := ledger.Seal(p)
					if err != nil {
						b.Fatal(err)
					}
					total += sealed.Len()
				}
			}
			b.ReportMetric(float64(total), "bytes")
			b.ReportMetric(float64(facts), "bytes/again")
		})
	}
}
