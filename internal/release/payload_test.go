package release

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

func TestPayloadIsShortEnoughToBeReadBack(t *testing.T) {
	logins := func(n int, login string) (list []string) {
		for range n {
			list = append(list, login)
		}
		return list
	}
	for name, c := range map[string]struct {
		title     string
		approvers []string
		changes   int
	}{
		"usual":              {"Mend the sums", logins(2, "bob"), 2},
		"a title of escapes": {strings.Repeat("<\u2028", 500), nil, 1},
		"a title of emoji":   {strings.Repeat("🚀", 256), nil, 1},
		"many approvers":     {"x", logins(300, strings.Repeat("a", 39)), 1},
		"much of all":        {strings.Repeat("<", 256), logins(300, strings.Repeat("<", 100)), 300},
	} {
		d := &Deployment{ID: "d12", Number: 1, Commit: sha(1), Course: Course{Policy: strings.Repeat("p", 71), Floor: strings.Repeat("f", 71)}}
		for i := range c.changes {
			d.Changes = append(d.Changes, Change{Number: change.Number(1 << 30), Commit: sha(min(i, 9))})
			d.Accepted = append(d.Accepted, Say{By: person(change.AccountID(i), strings.Repeat("<", 39))})
		}
		d.Changes = append(d.Changes, Change{Number: 1, Commit: d.Commit, Title: c.title, Approvers: c.approvers})
		text := d.payload()
		kept := change.KeepPayload(text)
		if len(text) > change.MaxPayload/2 || change.PayloadKey(kept) != "d12" {
			t.Errorf("%s: %d bytes: %s", name, len(text), text)
		}
		var p payload
		if err := json.Unmarshal(kept, &p); err != nil || p.Changes != c.changes+1 || p.Policy != d.Policy {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if name == "usual" && (p.Title != c.title || len(p.Approved) != 2 || len(p.Ships) != 3) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
