package deployment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// order reads a command and finds out whether whoever gave it may. It is nil if it is not one that counts, which is answered.
func (r *run) order(ctx context.Context, c change.Command) (*release.Order, error) {
	asked, err := command.Parse(c.Body)
	switch {
	case err != nil:
		return r.answered(c, command.Misread(err))
	case !asked.Verb.IsAboutDeployments():
		return r.answered(c, command.Misplaced("not about deployments", change.Code(string(asked.Verb)), change.Words(" asks for nothing about deployments.")))
	}
	refusal, stands, err := errand.Confirm(ctx, r.github, r.repo, c)
	if err != nil {
		return nil, err
	}
	if !stands {
		return r.answered(c, refusal)
	}
	o := &release.Order{Command: c, Verb: asked.Verb, Reason: asked.Reason}
	if why := r.arguments(o, asked); !why.IsEmpty() {
		return r.answered(c, command.Misplaced("not understood", command.Sentence(why)))
	}
	if o.Commit, o.Merger, err = r.landedAs(ctx, c.Pull.Number); err != nil {
		return nil, err
	}
	return o, r.authority(ctx, o)
}

// answered has a command answered that the core is not told of.
func (r *run) answered(c change.Command, a command.Answer) (*release.Order, error) {
	r.log.Info().Int64("comment", c.Comment).Str("outcome", a.Outcome).Msg("a command about deployments counts for nothing")
	if a.Reaction != "" {
		r.keepAnswer(answer{Comment: c.Comment, Number: c.Pull.Number, Reaction: a.Reaction, Says: a.Says})
	}
	return nil, nil
}

// landedAs returns the commit that a pull request became on a governed branch, as far as that is held, and who merged it; empty: it has not
// landed.
func (r *run) landedAs(ctx context.Context, n change.Number) (commit change.SHA, by change.Account, err error) {
	held, err := r.Store.Pull(ctx, r.pull(n))
	if errors.Is(err, store.ErrNotFound) {
		return "", by, nil
	}
	if err != nil || held.Snapshot.State != change.Merged {
		return "", by, err
	}
	governed, err := r.governed(ctx, held.Snapshot.Base.Name)
	if err != nil || !governed {
		return "", by, err
	}
	return held.Snapshot.MergeCommit, held.Snapshot.MergedBy, nil
}

// arguments resolves what follows the verb. If one of them means nothing, it says what would.
func (r *run) arguments(o *release.Order, asked command.Command) (why change.Text) {
	args := asked.Args
	switch asked.Verb {
	case command.Rollback:
		return r.rollback(o, args)
	case command.Freeze:
		if len(args) == 3 {
			var ok bool
			zone := r.zone(args[0])
			if o.Until, ok = parseTime(args[2], zone); !ok {
				return change.Say(change.Code(args[2]), change.Words(" is no time: write 2026-12-24T17:00, or 2026-12-24 for the beginning of that day, by the clocks of "+zone.String()))
			}
		}
	}
	if len(args) == 0 {
		return nil
	}
	name, ok := r.environment(args[0])
	if !ok {
		return r.noEnvironment(args[0])
	}
	o.Environment = name
	return nil
}

// rollback resolves the arguments of a rollback, each of which may be left out: what is no environment is a class or the beginning of a
// commit's name.
func (r *run) rollback(o *release.Order, args []string) (why change.Text) {
	for i, arg := range args {
		name, isEnvironment := r.environment(arg)
		switch class := release.Class(arg); {
		case i == 0 && isEnvironment:
			o.Environment = name
		case o.Class == "" && slices.Contains(classes(), class):
			o.Class = class
		case o.Version == "" && isVersion(arg):
			o.Version = strings.ToLower(arg)
		case i == 0:
			return r.noEnvironment(arg)
		default:
			return change.Say(change.Code(arg), change.Words(
				" is neither the beginning of a commit's name, of at least seven characters, nor one of errors, degradation, security, failed-verification"))
		}
	}
	return nil
}

// classes are those that somebody can give as what is wrong.
func classes() []release.Class {
	return []release.Class{release.Errors, release.Degradation, release.Security, release.FailedVerification}
}

func isVersion(s string) bool {
	return len(s) >= 7 && len(s) <= 64 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// environment returns the name of an environment as the policy writes it, or as whoever deployed to it did before the policy had it no more.
func (r *run) environment(name string) (string, bool) {
	if e, ok := r.rules.Find(name); ok {
		return e.Name, true
	}
	if tr, ok := r.state.Tracks[strings.ToLower(name)]; ok {
		return tr.Environment, true
	}
	return "", false
}

func (r *run) noEnvironment(name string) change.Text {
	if len(r.rules.Environments) == 0 {
		return change.Words("the policy of the default branch names no environments")
	}
	names := make([]change.Text, len(r.rules.Environments))
	for i, e := range r.rules.Environments {
		names[i] = change.Code(e.Name)
	}
	return change.Say(change.Words("the policy names no environment "), change.Code(name), change.Words(": use one of "), change.Join(", ", names))
}

// zone is where an environment's hours are, as the first of them say; without any it is UTC.
func (r *run) zone(name string) *time.Location {
	if e, ok := r.rules.Find(name); ok && len(e.Hours) > 0 && e.Hours[0].Zone != nil {
		return e.Hours[0].Zone
	}
	return time.UTC
}

// parseTime reads a time as people write it in a command. One that says no zone is in the one given; see
// calendar.Local for what its clocks skip.
func parseTime(s string, in *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	for _, layout := range []string{"2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return calendar.Local(t, in), true
		}
	}
	return time.Time{}, false
}

// authority says in an order whether whoever gave it may, by what they may do now, and which roles they hold of those that matter.
func (r *run) authority(ctx context.Context, o *release.Order) error {
	may, err := r.Policies.MayRelease(ctx, r.repo, o.Verb, o.Environment, o.By)
	if err != nil {
		return err
	}
	o.May, o.Unknown, o.Role, o.Who = may.May, may.Unknown, may.Role, may.Who
	switch o.Verb {
	case command.Accept:
		e, ok := r.rules.Find(o.Environment)
		if !ok {
			return nil
		}
		var roles []string
		for _, s := range e.Release {
			roles = append(roles, s.Role)
		}
		held, unknown, err := r.Policies.HeldOf(ctx, r.repo, roles, o.By)
		o.Holds, o.Unknown = held, o.Unknown || unknown && len(held) == 0
		return err
	case command.Verified:
		for _, e := range r.rules.Environments {
			if e.Verify.Role == "" || o.Environment != "" && !strings.EqualFold(e.Name, o.Environment) || slices.Contains(o.Holds, e.Verify.Role) {
				continue
			}
			may, err := r.Policies.MayRelease(ctx, r.repo, o.Verb, e.Name, o.By)
			if err != nil {
				return err
			}
			if may.May {
				o.Holds = append(o.Holds, e.Verify.Role)
			}
		}
	}
	return nil
}
