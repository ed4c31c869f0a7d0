package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
)

// shipment is the body of an entry about a deployment with which pull requests ship.
func shipment(numbers ...int) any {
	var changes []map[string]any
	for _, n := range numbers {
		changes = append(changes, map[string]any{"number": n, "commit": "c"})
	}
	return map[string]any{"step": "verified", "deployment": map[string]any{"id": "1", "changes": changes}}
}

// changes fills a ledger with the lives of three pull requests, two of them of repository 7, where 1 ships with 2, and with 4, of which nothing else
// is known, and a rollback to 5 takes 2 off.
func (f *fixture) changes(t *testing.T) {
	t.Helper()
	about := func(repository int64, number int) ledger.Subject {
		return ledger.Subject{Repository: repository, Number: number, SHA: "h"}
	}
	decided := func(repository int64, number int, base string) ledger.Draft {
		return ledger.Draft{
			Kind: ledger.DecisionChanged, Subject: about(repository, number), Body: map[string]string{"base": base, "says": "no"}, Exhibits: []any{map[string]int{"facts": number}},
		}
	}
	inForce := func(repository int64, branch, text string) ledger.Draft {
		return ledger.Draft{
			Kind: ledger.PolicyInForce, Subject: about(repository, 0), Body: map[string]string{"branch": branch, "commit": text}, Exhibits: []any{map[string]string{"policy": text}},
		}
	}
	must(t, f.Append(t.Context(),
		inForce(7, "main", "first"), inForce(7, "main", "second"), inForce(7, "release", "other branch"), inForce(8, "main", "other repository"), // 1 to 4
		decided(7, 1, "main"), decided(7, 2, "release"), inForce(7, "main", "third"), decided(8, 1, "main"), // 5 to 8
		ledger.Draft{Kind: ledger.ProtectionChanged, Subject: about(7, 0), Body: "yes"}, // 9
		ledger.Draft{Kind: ledger.PullEnded, Subject: about(7, 1), Body: map[string]string{"state": "merged"}},
		inForce(7, "main", "fourth"), // 11
		ledger.Draft{Kind: ledger.DeploymentMoved, Subject: about(7, 1), Body: shipment(4, 2, 1)},
		inForce(7, "main", "after"), decided(7, 2, "release"), // 13 and 14
		ledger.Draft{Kind: ledger.DeploymentMoved, Subject: about(7, 5), Body: map[string]any{"deployment": map[string]any{"undoes": "1", "takes_off": []int{2}}}},
	))
	f.n = 15
}

// TestBundlesOfOnePull: they have the entries about it, those about deployments of others that it shipped with, and the policies that were in force
// meanwhile on its branch.
func TestBundlesOfOnePull(t *testing.T) {
	f := open(t)
	f.changes(t)
	for _, tt := range []struct {
		from, to   int64
		repository int64
		number     int
		want       []int64
		exhibits   string // is among them
	}{
		{1, 14, 7, 1, []int64{2, 5, 7, 10, 11, 12}, `{"exhibit":{"policy":"second"}}`},
		{1, 14, 7, 2, []int64{3, 6, 12, 14}, `{"exhibit":{"facts":2}}`},
		{1, 15, 7, 2, []int64{3, 6, 12, 14, 15}, `"takes_off":[2]`},
		{1, 14, 7, 4, []int64{12}, `"step":"verified"`},
		{1, 11, 7, 4, nil, ""},
		{1, 14, 8, 1, []int64{4, 8}, `{"exhibit":{"facts":1}}`},
		{6, 11, 7, 1, []int64{7, 10, 11}, `{"exhibit":{"policy":"third"}}`},
		{13, 14, 7, 1, nil, ""},
		{1, 14, 7, 3, nil, ""},
	} {
		var b bytes.Buffer
		_, err := audit.Export(t.Context(), f, &b, audit.ExportOptions{
			From: tt.from, To: tt.to, Repository: tt.repository, Number: tt.number, Checkpoint: f.checkpoint(t),
		})
		must(t, err)
		var got []int64
		report, err := audit.Verify(bytes.NewReader(b.Bytes()), audit.VerifyOptions{Each: func(e ledger.Entry) error {
			got = append(got, e.Seq)
			return nil
		}})
		must(t, err)
		if !slices.Equal(got, tt.want) || report.Header.Number != tt.number || !strings.Contains(b.String(), tt.exhibits) {
			t.Errorf("%d of %d, %d to %d: got %v, want %v:\n%s", tt.number, tt.repository, tt.from, tt.to, got, tt.want, b.String())
		}
	}
}

func TestBundlesOfOnePullHold(t *testing.T) {
	f := open(t)
	f.changes(t)
	o := audit.ExportOptions{From: 1, To: 14, Repository: 7, Number: 1, Checkpoint: f.checkpoint(t)}
	var b bytes.Buffer
	_, err := audit.Export(t.Context(), f, &b, o)
	must(t, err)
	for change, want := range map[[2]string]string{
		{`"number":1,`, `"number":2,`}:                               "entry 5 does not hold: it is about pull request 1, and all are to be about 2",
		{`"number":1,"repository":7,`, `"number":1,"repository":0,`}: "it is about pull request 1 of repository 0, which there cannot be",
		{`"number":1,`, `"number":-1,`}:                              "it is about pull request -1 of repository 7, which there cannot be",
		{`"number":1,`, `"number":0,`}:                               "this is no bundle: its first line: it is not in the one form that it is written in",
	} {
		_, err := audit.Verify(strings.NewReader(strings.Replace(b.String(), change[0], change[1], 1)), audit.VerifyOptions{})
		if err == nil || err.Error() != want {
			t.Errorf("%s: the error is %v, want %s", change[1], err, want)
		}
	}
	b.Reset()
	_, err = audit.Export(t.Context(), f, &b, audit.ExportOptions{From: 12, To: 12, Repository: 7, Number: 2, Checkpoint: o.Checkpoint})
	must(t, err)
	_, err = audit.Verify(strings.NewReader(strings.Replace(b.String(), `"number":2,`, `"number":3,`, 1)), audit.VerifyOptions{})
	if want := "entry 12 does not hold: it is about pull request 1, and all are to be about 3"; err == nil || err.Error() != want {
		t.Errorf("of a deployment that it did not ship with the error is %v, want %s", err, want)
	}
	o.Repository = 0
	if _, err := audit.Export(t.Context(), f, &b, o); err == nil || err.Error() != "export pull request 1: a pull request is one of a repository" {
		t.Errorf("without a repository the error is %v", err)
	}
}

func TestPullEntries(t *testing.T) {
	f := open(t)
	f.changes(t)
	for number, want := range map[int][2]int64{1: {5, 12}, 2: {6, 15}, 3: {}, 4: {12, 12}} {
		first, last, err := audit.PullEntries(t.Context(), f, 7, number)
		must(t, err)
		if first != want[0] || last != want[1] {
			t.Errorf("those of %d are from %d to %d", number, first, last)
		}
	}
}
