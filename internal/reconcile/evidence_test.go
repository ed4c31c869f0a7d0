package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// said returns a description that said something before; none if that is empty, as when a pull request is opened.
func said(body string, minutes float64, was string) change.Description {
	d := change.Description{Body: body, By: alice, At: at(minutes)}
	if was != "" {
		d.Was = &was
	}
	return d
}

func TestEditsAfterAnApprovalAreRecordedOnce(t *testing.T) {
	approval := change.Review{ID: 7, By: bob, State: change.Approved, At: at(2)}
	dismissed := change.Review{ID: 7, By: bob, State: change.Dismissed, Was: change.Approved, At: at(2), DismissedAt: at(3)}
	objection := change.Review{ID: 7, By: bob, State: change.ChangesRequested, At: at(2)}
	told := []change.Description{said("one", 0, ""), said("two", 1, "one"), said("three", 4, "two"), said("four", 5, "three")}
	for _, row := range []struct {
		name    string
		before  *change.Decision
		reviews []change.Review
		want    string
	}{
		{"nothing was decided before", nil, []change.Review{approval}, "two>three three>four"},
		{"those before the approval were no edits of what was approved", &change.Decision{Descriptions: 1}, []change.Review{approval}, "two>three three>four"},
		{"what the decision before knew was recorded then", &change.Decision{Descriptions: 3}, []change.Review{approval}, "three>four"},
		{"the earlier edit is recorded", &change.Decision{Edits: []time.Time{at(4)}}, []change.Review{approval}, "three>four"},
		{"the delivery of the earlier edit came late", &change.Decision{Edits: []time.Time{at(5)}}, []change.Review{approval}, "two>three"},
		{"the delivery of the approval came late", &change.Decision{}, []change.Review{approval}, "two>three three>four"},
		{"all are recorded", &change.Decision{Edits: []time.Time{at(5), at(4)}}, []change.Review{approval}, ""},
		{"all is known", &change.Decision{Descriptions: 4}, []change.Review{approval}, ""},
		{"more was known than is held", &change.Decision{Descriptions: 9}, []change.Review{approval}, ""},
		{"an approval that was dismissed", nil, []change.Review{dismissed}, "two>three three>four"},
		{"nobody approved", nil, []change.Review{objection}, ""},
	} {
		f := &change.Facts{Reviews: row.reviews, Descriptions: told}
		var got []string
		for _, d := range edited(change.Decision{Head: "h1"}, newEdits(row.before, f)) {
			body := d.Body.(editBody)
			if d.Kind != ledger.RecordEdited || d.Subject.SHA != "h1" || body.By != alice {
				t.Errorf("%s: recorded is %+v", row.name, d)
			}
			got = append(got, body.Was+">"+body.Description)
		}
		if got := strings.Join(got, " "); got != row.want {
			t.Errorf("%s: recorded are the edits %q, want %q", row.name, got, row.want)
		}
	}
}

func TestAnApprovalIsRecordedWithWhatWasApproved(t *testing.T) {
	f := &change.Facts{
		Pull:         change.Pull{Body: "three"},
		Reviews:      []change.Review{{ID: 7, By: bob, State: change.Approved, At: at(1)}, {ID: 8, By: mallory, State: change.Approved, At: at(3)}},
		Descriptions: []change.Description{said("one", 0, ""), said("two", 2, "one"), said("three", 4, "two")},
	}
	counts := func(review int64, by change.Account) change.Opinion {
		return change.Opinion{Review: review, By: by, State: change.Approved, Counts: true}
	}
	first := change.Decision{Opinions: []change.Opinion{counts(7, bob), counts(8, mallory)}}
	drafts := evidence(nil, first, nil)
	describe(drafts, f)
	voided := evidence(&first, change.Decision{Opinions: []change.Opinion{counts(8, mallory)}}, nil)
	describe(voided, f)
	var got []string
	for _, d := range append(drafts, voided...) {
		if body, ok := d.Body.(approvalBody); ok {
			got = append(got, string(d.Kind)+" by "+body.By.Login+": "+body.Description)
		}
	}
	want := "approval counted by bob: one, approval counted by mallory: two, approval voided by bob: "
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("recorded is %q, want %q", got, want)
	}

	// Of a pull request whose descriptions nobody told there is only the present one.
	f.Descriptions = nil
	describe(drafts, f)
	if body := drafts[1].Body.(approvalBody); body.Description != "three" {
		t.Errorf("recorded is %+v", body)
	}
}
