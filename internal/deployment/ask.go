package deployment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// Ask has a job's question answered: it leaves it for the repository's errand, and waits until that has dealt with it. It returns the answer,
// why, and for NotYet when time alone may change it; zero: not known. Whoever asks again, under the same key, is asked about as things are then.
//
// It ends with the context, at the latest, and returns ErrUndecided, wrapped with the context's error; also where there is nothing that could
// decide, because the policy has nothing to do with deployments. Nothing may go on then.
func (d *Deployer) Ask(ctx context.Context, repo change.Repository, a change.GateAsked) (release.Answer, change.Text, time.Time, error) {
	if a.At.IsZero() {
		a.At = d.Clock()
	}
	e := errandOf(repo.ID)
	// A note is left once. Another second is another time that it is asked.
	id := fmt.Sprintf("gate %s %d", a.Key, a.At.Unix())
	err := d.Store.RaiseErrands(ctx, []change.Raised{{Errand: e, Notes: []change.Note{change.NewNote(id, a.At, change.ReleaseNote{Gate: &a})}}})
	if err != nil {
		return "", nil, time.Time{}, fmt.Errorf("ask for %s in %s: %w", a.Environment, repo, err)
	}
	for {
		work, err := d.Store.BeginErrand(ctx, e)
		if err != nil {
			return "", nil, time.Time{}, undecided(ctx, repo, a, err)
		}
		s, err := remembered(work)
		if err != nil {
			return "", nil, time.Time{}, fmt.Errorf("ask for %s in %s: %w", a.Environment, repo, err)
		}
		left := slices.ContainsFunc(work.Notes, func(n change.Note) bool { return n.ID == id })
		switch answer, why, known := s.Answer(a.Key); {
		case left && s.Unusable:
			return release.NotYet, change.Words("the policy of the default branch cannot be used"), d.Clock().Add(whileUnusable), nil
		case left:
		case known:
			return answer, why, s.until(a.Key), nil
		default:
			return "", nil, time.Time{}, undecided(ctx, repo, a, nil)
		}
		if err := d.Wait(ctx, d.Interval); err != nil {
			return "", nil, time.Time{}, undecided(ctx, repo, a, err)
		}
	}
}

// undecided returns ErrUndecided with what it came of, which is the context's end if that is over.
func undecided(ctx context.Context, repo change.Repository, a change.GateAsked, err error) error {
	if ended := ctx.Err(); ended != nil {
		err = ended
	}
	if err == nil {
		return fmt.Errorf("ask for %s in %s: %w", a.Environment, repo, ErrUndecided)
	}
	return fmt.Errorf("ask for %s in %s: %w: %w", a.Environment, repo, ErrUndecided, err)
}

// until returns when what an ask waits for is over; zero if that is not known.
func (s *state) until(ask string) time.Time {
	for _, tr := range s.Tracks {
		for _, d := range tr.Deployments {
			if slices.ContainsFunc(d.Asks, func(a release.Ask) bool { return a.Key == ask }) {
				return d.Waits.Until
			}
		}
	}
	return time.Time{}
}
