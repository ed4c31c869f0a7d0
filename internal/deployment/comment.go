package deployment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

const (
	// maxComments is how many pull requests' comments one run writes: GitHub bounds how much is written in a minute, and a large deployment
	// ships many pull requests.
	maxComments = 10
	// moreComments is how soon the others follow.
	moreComments = 15 * time.Second
	// missedAgain is how soon a comment that GitHub does not find is edited again, until it is taken for deleted.
	missedAgain = 20 * time.Second
)

// posted is the comment of a pull request that says how its deployments stand. It is stored: members may be added, not renamed.
type posted struct {
	ID   int64             `json:"id,omitempty"`
	Rows map[string]string `json:"rows,omitempty"` // by environment, in lower case, the digest of what it says of it
	Lost bool              `json:"lost,omitempty"` // it was deleted, or GitHub takes none: it is let be
	// Missed is since when GitHub does not find it, which may be a mistake; zero: it does.
	Missed time.Time `json:"missed,omitzero"`
}

// says says whether the comment says all that the rows do. It may say more, which was true once: that the core has forgotten an old deployment
// is no reason to take it back.
func (p posted) says(rows map[string]string) bool {
	for name, digest := range rows {
		if p.Rows[name] != digest {
			return false
		}
	}
	return true
}

// postComments has each pull request's comment say how it stands. What a comment should say is worked out anew in each run, so that none is
// forgotten by a run that was killed; where it says so already nothing is written.
func (r *run) postComments(ctx context.Context) error {
	numbers := r.numbers()
	for n := range r.state.Comments {
		if _, found := slices.BinarySearch(numbers, n); !found {
			delete(r.state.Comments, n) // should the pull request be deployed once more, the effect that made its comment tells which it is
		}
	}
	now := r.github.Now()
	var failed []error
	writes := 0
	for _, n := range slices.Backward(numbers) {
		known := r.state.Comments[n]
		text, rows := r.standing(n, now)
		if known.Lost || known.says(rows) {
			continue
		}
		if writes == maxComments {
			r.soon(moreComments)
			break
		}
		writes++
		next, err := r.postComment(ctx, n, known, text)
		if isOver(ctx, err) {
			return errors.Join(append(failed, err)...)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("the comment of #%d: %w", n, err))
			continue
		}
		if next.Missed.IsZero() {
			next.Rows = rows
		}
		if r.state.Comments == nil {
			r.state.Comments = map[change.Number]posted{}
		}
		r.state.Comments[n] = next
	}
	return errors.Join(failed...)
}

// numbers returns the pull requests of which a deployment is remembered, in order.
func (r *run) numbers() []change.Number {
	all := map[change.Number]bool{}
	for _, tr := range r.state.Tracks {
		for _, d := range tr.Deployments {
			all[d.Number] = true
			for _, c := range d.Changes {
				all[c.Number] = true
			}
		}
	}
	delete(all, 0)
	return slices.Sorted(maps.Keys(all))
}

// postComment makes a pull request's comment say a text, with one write at most.
func (r *run) postComment(ctx context.Context, n change.Number, known posted, text string) (posted, error) {
	key := fmt.Sprintf("deployments:%d#%d", r.repo.ID, n)
	body := text + "\n" + github.Marker(key)
	if known.ID != 0 {
		return r.editComment(ctx, n, known, body)
	}
	id, written, err := r.makeComment(ctx, n, key, text)
	var failed *effect.Failed
	switch {
	case errors.As(err, &failed):
		r.log.Warn().Err(err).Int("pull", int(n)).Msg("GitHub takes no comment on deployments")
		return posted{Lost: true}, nil
	case err != nil:
		return known, err
	}
	if known.ID = id; written {
		return known, nil
	}
	return r.editComment(ctx, n, known, body) // an earlier run made it, and what that wrote is not known
}

// makeComment makes the comment, once, and says whether it was now that it was written.
func (r *run) makeComment(ctx context.Context, n change.Number, key, text string) (id int64, written bool, err error) {
	marker := github.Marker(key)
	in := store.Intent{Key: key, Kind: string(plan.Comment), Pull: r.pull(n), Body: text, Lease: r.lease}
	id, err = effect.Once(ctx, r.Store, in, effect.Action[int64]{
		Find: func(ctx context.Context, since time.Time) (int64, bool, error) {
			return r.github.FindComment(ctx, r.repo, n, marker, since)
		},
		Do: func(ctx context.Context) (int64, error) {
			written = true
			return r.github.Comment(ctx, r.repo, n, text+"\n"+marker)
		},
		Refused: github.IsRefusal,
	})
	return id, written, err
}

// editComment has the comment say something else. That does no harm if it is done again, so that it needs no intent.
func (r *run) editComment(ctx context.Context, n change.Number, known posted, body string) (posted, error) {
	ctx = fence.With(ctx, func(ctx context.Context) error { return r.Store.Check(ctx, r.lease) })
	if err := fence.Ask(ctx); err != nil {
		return known, err
	}
	err := r.github.EditComment(ctx, r.repo, known.ID, body)
	now := r.github.Now()
	var missing *github.NotFound
	if errors.As(err, &missing) && missing.MayPass() && (known.Missed.IsZero() || now.Before(known.Missed.Add(change.MissedFor))) {
		if known.Missed.IsZero() {
			known.Missed = now
		}
		r.soon(missedAgain)
		return known, nil
	}
	known.Missed = time.Time{}
	if github.IsRefusal(err) {
		r.log.Warn().Err(err).Int("pull", int(n)).Msg("GitHub does not let the comment on deployments be edited")
		return posted{ID: known.ID, Lost: true}, nil
	}
	return known, err
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// marks show where a deployment is in its life.
var marks = map[release.Phase]string{
	release.Waiting: "⏳", release.Held: "⏸️", release.Deploying: "🚀", release.Watching: "👀", release.Unverified: "❓", release.Verified: "✅",
	release.Failed: "❌", release.Cancelled: "⏹️", release.Refused: "⛔", release.Overtaken: "⏭️",
}

// standing says in Markdown how a pull request stands in each environment, with the digest of what it says of each where there is anything
// to say: of none if it was never to be deployed.
func (r *run) standing(n change.Number, now time.Time) (text string, rows map[string]string) {
	var b strings.Builder
	b.WriteString("**Deployments**\n\n| Environment | State | Commit | |\n|---|---|---|---|\n")
	for _, row := range release.Standing(&r.state.State, &r.rules, n, now) {
		line := fmt.Sprintf("| %s | %s | %s | %s |\n", r.Markdown(change.Code(row.Environment)), phase(row, n), r.Markdown(commitOf(row)), r.details(row, n, now))
		b.WriteString(line)
		if row.Phase != "" {
			if rows == nil {
				rows = map[string]string{}
			}
			rows[strings.ToLower(row.Environment)] = digestOf(line)
		}
	}
	return b.String(), rows
}

// isUndone says whether what a pull request brought was taken back: the row's deployment is then a rollback to another's.
func isUndone(row release.Row, n change.Number) bool {
	d := row.Deployment
	brings := d.Number == n || slices.ContainsFunc(d.Changes, func(c release.Change) bool { return c.Number == n })
	return d.Undoes != "" && !brings
}

func phase(row release.Row, n change.Number) string {
	switch {
	case row.Phase == "":
		return "–"
	case isUndone(row, n) && (row.Phase == release.Watching || row.Phase == release.Unverified || row.Phase == release.Verified):
		return "↩️ rolled back"
	}
	return strings.TrimSpace(marks[row.Phase] + " " + string(row.Phase))
}

func commitOf(row release.Row) change.Text {
	if row.Deployment.Commit == "" {
		return nil
	}
	return change.Code(row.Deployment.Commit.Short())
}

// details says what a deployment waits for, until when, what else ships with it, and where its log is; of a rollback, why it is.
func (r *run) details(row release.Row, n change.Number, now time.Time) string {
	var parts []string
	switch d := row.Deployment; { // once it ended otherwise than well, why it was asked for gave way to why it ended
	case isUndone(row, n) && row.Phase == release.Failed:
		row.Says = change.Say(change.Words("back to the version before, which failed: "), row.Says)
	case isUndone(row, n) && (row.Phase == release.Cancelled || row.Phase == release.Refused):
		row.Says = change.Say(change.Words("back to the version before, which came to nothing: "), row.Says)
	case isUndone(row, n):
		parts = append(parts, r.Markdown(change.Say(change.Words("back to the version before: “"), change.Quote(d.Why), change.Words("”"))))
	}
	if row.Phase == release.Watching {
		parts = append(parts, until(row, now), r.Markdown(row.Says))
	} else {
		parts = append(parts, r.Markdown(row.Says), until(row, now))
	}
	parts = append(parts, together(row, n))
	if link := linkTo(row.Deployment.LogURL); link != "" {
		parts = append(parts, "[log]("+link+")")
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " · ")
}

// until says when what a deployment waits for is over; empty: nobody knows. That of a watch is when somebody can first say that it works.
func until(row release.Row, now time.Time) string {
	switch at := change.Moment(row.Until, now); {
	case row.Until.IsZero():
		return ""
	case row.Phase == release.Watching:
		return "watched until " + at
	default:
		return "until " + at
	}
}

// maxTogether is how many of the pull requests are named that ship together.
const maxTogether = 10

// together says which other pull requests ship with a deployment: all that landed since what was there before.
func together(row release.Row, n change.Number) string {
	d := row.Deployment
	switch {
	case d.Undoes != "":
		return ""
	case d.Number != n && d.Number != 0:
		return fmt.Sprintf("with #%d", d.Number)
	}
	var others []string
	for _, c := range d.Changes {
		if c.Number != n && c.Number != 0 {
			others = append(others, fmt.Sprintf("#%d", c.Number))
		}
	}
	if len(others) == 0 {
		return ""
	}
	more := ""
	if k := len(others); k > maxTogether {
		others, more = others[k-maxTogether:], fmt.Sprintf(" and %d more", k-maxTogether)
	}
	return "with " + strings.Join(others, ", ") + more
}

// linkTo returns an address as Markdown's link takes it, empty if it is not one of a page. Whoever deploys can write anything there.
func linkTo(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~:/?#@!$&*+,;=%", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
