package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/report"
	"github.com/changegate/changegate/internal/store"
)

const (
	// queueLags is how long after a group was made its place in the queue, or its commit, may still be missing from what GitHub shows.
	queueLags = time.Minute
	// lookSoon is when a group is looked at again whose members cannot be told yet, or a green that a rejection may forbid.
	lookSoon = 5 * time.Second
)

// groupState is what is remembered of a merge group. It is stored: members may be added, not renamed.
type groupState struct {
	Group   change.MergeGroup `json:"group"`
	Members []change.Number   `json:"members,omitempty"`
	Verdict change.Verdict    `json:"verdict"`
	Ended   bool              `json:"ended,omitempty"`
}

// groupWork is a merge group, with the notes that say what it is and when the first of these came.
type groupWork struct {
	groupState
	taken []string
	told  time.Time
	again bool // somebody wants its check posted anew
}

// Group makes the check on a merge group's head agree with what is decided of its members: see policy.DecideGroup. It is looked at again
// whenever a decision on one of them changes, or the one on the group ahead, and when somebody presses Re-run. A group that was destroyed loses a
// green, unless it was merged.
func (rc *Reconciler) Group(ctx context.Context, e change.Errand) (queue.Result, error) {
	held, err := rc.Store.BeginErrand(ctx, e)
	if errors.Is(err, store.ErrNotFound) {
		return queue.Result{}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	work, err := readGroup(held)
	if err != nil {
		return queue.Result{}, err
	}
	if work.Group.Head == "" || work.Ended {
		// Nobody told of such a group, as when Re-run was pressed on a pull request's check, or it is over.
		return queue.Result{}, rc.Store.SaveErrand(ctx, e, store.ErrandSave{Taken: work.taken})
	}
	r := rc.begin(ctx, store.Work{Repository: held.Repository, Pull: store.Pull{
		// Not a pull request's own check run, so that none takes it for that of an earlier head.
		Key: change.PullKey{Repository: e.Repository}, Snapshot: change.Pull{Head: change.Branch{SHA: work.Group.Head}},
	}})
	result, err := r.group(ctx, e, work)
	return r.outcome(ctx, result, err)
}

// readGroup returns what is known of a group.
func readGroup(held store.ErrandWork) (work groupWork, err error) {
	if held.State != nil {
		if err := json.Unmarshal(held.State, &work.groupState); err != nil {
			return work, fmt.Errorf("reading what is remembered: %w", err)
		}
	}
	for _, n := range held.Notes {
		var note change.GroupNote
		if err := json.Unmarshal(n.Body, &note); err != nil {
			return work, fmt.Errorf("reading note %s: %w", n.ID, err)
		}
		work.taken = append(work.taken, n.ID)
		if note.Again {
			work.again = true
			continue
		}
		gone := cmp.Or(work.Group.Destroyed, note.Destroyed)
		work.Group = note.MergeGroup
		work.Group.Destroyed = gone // deliveries may come in any order
		if work.told.IsZero() {
			work.told = n.At
		}
	}
	return work, nil
}

func (r *run) group(ctx context.Context, e change.Errand, work groupWork) (queue.Result, error) {
	state, g := work.groupState, work.Group
	lease, err := r.Store.Acquire(ctx, store.HeadLease(e.Repository, g.Head), r.Holder+" "+e.String(), errand.LeaseTime)
	if err != nil {
		return queue.Result{}, err
	}
	r.lease = lease
	defer func() { _ = r.Store.Release(context.WithoutCancel(ctx), lease) }()

	if g.Destroyed != "" {
		err := r.groupEnded(ctx, e, state, work.taken)
		return r.soon(queue.Result{}), err
	}
	branch := strings.TrimPrefix(g.BaseRef, "refs/heads/")
	// A policy that cannot be used shows in each member's decision.
	if p, err := r.Policy(ctx, r.main.work.Repository, branch); !errors.Is(err, ErrUnusable) && (err != nil || p == nil) {
		return queue.Result{}, err
	}
	isNew := r.github.Now().Sub(work.told) < queueLags
	facts, err := r.membership(ctx, g, branch, isNew)
	if err == nil {
		facts.Content, err = r.groupContent(ctx, g, isNew)
	}
	if err != nil {
		return queue.Result{}, err
	}
	if err := r.saveMembers(ctx, e, &state, facts.Members); err != nil {
		return queue.Result{}, err
	}
	members, err := r.groupFacts(ctx, &facts, branch)
	if err != nil {
		return queue.Result{}, err
	}
	d := policy.DecideGroup(facts, report.Title)
	if err := r.showGroup(ctx, d, work.again); err != nil {
		return queue.Result{}, err
	}
	before := state.Verdict
	state.Verdict = d.Verdict
	save := store.ErrandSave{Lease: lease, State: state, Taken: work.taken}
	if before != state.Verdict {
		exhibits, err := groupRestsOn(facts, members)
		if err != nil {
			return queue.Result{}, err
		}
		save.Entries = []ledger.Draft{{
			Kind: ledger.GroupDecided, Subject: ledger.Subject{Repository: int64(e.Repository), SHA: string(g.Head)}, Body: d, Exhibits: exhibits,
		}}
		if save.Raise, err = r.groupsOn(ctx, e.Repository, g.Head); err != nil {
			return queue.Result{}, err
		}
	}
	result := queue.Result{}
	if d.Verdict == change.Waiting {
		result.RecheckAt = r.Clock().Add(queueLags) // should what is awaited never tell
	}
	return r.soon(result), r.Store.SaveErrand(ctx, e, save)
}

// saveMembers keeps who is in a group before it is decided, so that whatever turns a member red from then on has the group looked at again.
// Of other members nothing was decided yet.
func (r *run) saveMembers(ctx context.Context, e change.Errand, state *groupState, members []change.GroupMember) error {
	numbers := make([]change.Number, len(members))
	for i, m := range members {
		numbers[i] = m.Number
	}
	if slices.Equal(state.Members, numbers) {
		return nil
	}
	state.Members, state.Verdict = numbers, change.Undecided
	return r.Store.SaveErrand(ctx, e, store.ErrandSave{Lease: r.lease, State: *state})
}

// groupEnded takes a green back from a group that will not be merged, and ends a check that is under way.
func (r *run) groupEnded(ctx context.Context, e change.Errand, state groupState, taken []string) error {
	head := state.Group.Head
	writes, err := r.settle(ctx, head)
	if err != nil {
		return err
	}
	posted, err := r.Store.CheckRun(ctx, e.Repository, head)
	if err != nil {
		return err
	}
	if posted != nil && !(posted.IsGreen() && state.Group.Destroyed == "merged") {
		if err := r.apply(ctx, plan.Withdrawn(r.main.work.Key, head, &posted.Posted, writes)); err != nil {
			return err
		}
	}
	state.Ended = true
	return r.Store.SaveErrand(ctx, e, store.ErrandSave{Lease: r.lease, State: state, Taken: taken})
}

// errNotShown says that GitHub does not list a group in its queue yet, or does not show a commit of it.
var errNotShown = errors.New("the group is not shown yet")

// groupRef is the end of a merge group's branch: the pull request that it is named after.
var groupRef = regexp.MustCompile(`/pr-(\d+)-[0-9a-f]{40}$`)

// member is a pull request of a group as it was decided, with those that share its head.
type member struct {
	run      *run
	subjects []*subject
}

// membership reads who is in a group, as far as GitHub tells.
func (r *run) membership(ctx context.Context, g change.MergeGroup, branch string, isNew bool) (change.Group, error) {
	facts := change.Group{MergeGroup: g}
	entries, err := r.github.MergeQueue(ctx, r.main.work.Repository, branch)
	var without *github.NoGraphQL
	switch {
	case errors.As(err, &without):
		// Without GraphQL the group's name says one of its members, and its content whether there are others.
		r.log.Info().Err(err).Msg("the merge queue cannot be read")
	case err != nil:
		return facts, err
	default:
		listed, ok := membersOf(g, entries)
		if !ok && isNew {
			return facts, errNotShown
		}
		facts.Members, facts.MembersKnown = listed, ok
	}
	if !facts.MembersKnown {
		if m := groupRef.FindStringSubmatch(g.HeadRef); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return facts, fmt.Errorf("the pull request in %q: %w", g.HeadRef, err)
			}
			facts.Members = []change.GroupMember{{Number: change.Number(n)}}
		}
	}
	return facts, nil
}

// groupContent reads what a group changes.
func (r *run) groupContent(ctx context.Context, g change.MergeGroup, isNew bool) (change.Seen, error) {
	seen, err := r.github.Seen(ctx, r.main.work.Repository, change.View{Head: g.Head, Base: g.Base}, r.github.Began())
	if err == nil && seen.Gone && isNew {
		err = errNotShown
	}
	return seen, err
}

// groupFacts reads what a group's decision rests on besides: its members are decided, and what is ahead of it is looked up.
func (r *run) groupFacts(ctx context.Context, facts *change.Group, branch string) (members []member, err error) {
	for i := range facts.Members {
		m, err := r.decideMember(ctx, &facts.Members[i])
		if err != nil {
			return nil, fmt.Errorf("#%d, which is in the group: %w", facts.Members[i].Number, err)
		}
		members = append(members, m)
	}
	if err := r.groupModes(ctx, facts, members); err != nil {
		return nil, err
	}
	facts.Ahead, err = r.ahead(ctx, facts.MergeGroup, branch)
	return members, err
}

// groupModes reads the modes of what a group and each of its members change, which no list of files tells. From a GitHub that shows no trees it
// reads none.
func (r *run) groupModes(ctx context.Context, facts *change.Group, members []member) error {
	if facts.Content.Gone || facts.Content.FilesCut {
		return nil // it fails as it is
	}
	type changed struct {
		head  change.SHA
		files *[]change.File
	}
	all := []changed{{facts.Head, &facts.Content.Files}}
	for _, m := range members {
		if m.run != nil { // else nothing could be decided of it
			decided := &m.run.main.facts.Content
			all = append(all, changed{decided.Head, &decided.Files})
		}
	}
	facts.ModesKnown = true
	shown, lacking := 0, 0 // how many trees GitHub showed, and how many it would not find, as one that has none
	for _, c := range all {
		paths := pathsAtHead(*c.files)
		if len(paths) == 0 {
			continue
		}
		entries, known, err := r.github.Tree(ctx, r.main.work.Repository, c.head, paths)
		var none *github.Lacking
		var missing *github.NotFound
		switch {
		case errors.As(err, &none):
			lacking++
			continue
		case errors.As(err, &missing):
			return errNotShown // it compares the commit already
		case err != nil:
			return err
		}
		shown++
		facts.ModesKnown = facts.ModesKnown && known
		*c.files = withModes(*c.files, entries)
	}
	for i, m := range members {
		if m.run != nil {
			facts.Members[i].Files = m.run.main.facts.Content.Files
		}
	}
	if lacking > 0 && shown > 0 {
		return errNotShown // it has trees, and did not show one of them
	}
	return nil
}

// withModes returns the files with the modes that they have in a tree. The files that are given belong to an answer that others hold too.
func withModes(files []change.File, entries map[string]github.TreeEntry) []change.File {
	files = slices.Clone(files)
	for i, f := range files {
		files[i].Mode = entries[pathAtHead(f)].Mode
	}
	return files
}

func pathsAtHead(files []change.File) (paths []string) {
	for _, f := range files {
		if p := pathAtHead(f); p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

// membersOf returns the entries of a group: the one that its head is of, and those before it down to the commit that the group was built on.
// It returns false if the queue does not tell.
func membersOf(g change.MergeGroup, entries []github.QueueEntry) ([]change.GroupMember, bool) {
	var members []change.GroupMember
	for commit := g.Head; commit != g.Base; {
		i := slices.IndexFunc(entries, func(e github.QueueEntry) bool { return e.Head == commit })
		if i < 0 || len(members) == len(entries) {
			return nil, false
		}
		members = append(members, change.GroupMember{Number: entries[i].Number, Queued: entries[i].PullHead})
		commit = entries[i].Base
	}
	slices.Reverse(members)
	return members, len(members) > 0
}

// decideMember decides a pull request of a group, on what GitHub says of it now. What it finds it does not show: that is the business of the
// pull request's own runs. It returns the subjects that were decided, if any was.
func (r *run) decideMember(ctx context.Context, m *change.GroupMember) (member, error) {
	key := change.PullKey{Repository: r.main.work.Key.Repository, Number: m.Number}
	work, err := r.Store.Begin(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		p, err := r.github.Pull(ctx, r.main.work.Repository, m.Number, r.github.Began())
		if err != nil {
			return member{}, err
		}
		if _, err := r.Store.SavePull(ctx, key, p); err != nil {
			return member{}, err
		}
		work, err = r.Store.Begin(ctx, key)
		if err != nil {
			return member{}, err
		}
	} else if err != nil {
		return member{}, err
	}
	work.Concerns |= change.ConcernVerify
	own := r.begin(ctx, work)
	if err := own.readPull(ctx, own.main); err != nil {
		return member{}, err
	}
	head := own.main.pull().Head.SHA
	if own.main.pull().State != change.Open {
		// It was merged or closed meanwhile; the group will be told.
		m.Decision = change.Decision{Pull: key, Head: head, State: own.main.pull().State, Verdict: change.Failing}
		return member{}, nil
	}
	subjects, err := own.decideHead(ctx, head)
	if d, ok := undecidable(err, key, head); ok {
		m.Decision = d
		return member{}, nil
	}
	if err != nil {
		return member{}, err
	}
	m.Decision = strictest(subjects)
	m.Files = own.main.facts.Content.Files
	return member{own, subjects}, nil
}

// ahead returns what was decided of the group that a group was built on; Satisfied if it was built on the branch itself.
func (r *run) ahead(ctx context.Context, g change.MergeGroup, branch string) (change.Verdict, error) {
	tip, err := r.github.Tip(ctx, r.main.work.Repository, branch, r.github.Began())
	if err != nil || tip == g.Base {
		return change.Satisfied, err
	}
	groups, err := r.groups(ctx, g.BaseRef)
	if err != nil {
		return change.Undecided, err
	}
	for _, other := range groups {
		if other.Group.Head == g.Base && other.Verdict != change.Undecided && !other.Ended {
			return other.Verdict, nil
		}
	}
	return change.Waiting, nil // nobody has told of it yet
}

// groups returns the groups of a repository, those of one branch if it is named.
func (r *run) groups(ctx context.Context, branch string) ([]groupState, error) {
	held, err := r.Store.ErrandsOf(ctx, change.ErrandGroup, r.main.work.Key.Repository)
	if err != nil {
		return nil, err
	}
	var groups []groupState
	for _, h := range held {
		work, err := readGroup(h)
		if err != nil {
			return nil, err
		}
		if work.Group.Head != "" && (branch == "" || work.Group.BaseRef == branch) {
			groups = append(groups, work.groupState)
		}
	}
	return groups, nil
}

// groupsOn raises the groups that were built on another.
func (r *run) groupsOn(ctx context.Context, repo change.RepositoryID, head change.SHA) ([]change.Raised, error) {
	return r.raiseGroups(ctx, repo, func(s groupState) bool { return s.Group.Base == head })
}

// openGroupsWith raises the groups that a pull request is in, or one with the same head: the check on that speaks for all of them.
func (r *run) openGroupsWith(ctx context.Context, key change.PullKey, head change.SHA) ([]change.Raised, error) {
	known, err := r.Store.PullsWithHead(ctx, key.Repository, head)
	if err != nil {
		return nil, err
	}
	return r.raiseGroups(ctx, key.Repository, func(s groupState) bool {
		return slices.Contains(s.Members, key.Number) ||
			slices.ContainsFunc(known, func(k change.PullKey) bool { return slices.Contains(s.Members, k.Number) })
	})
}

func (r *run) raiseGroups(ctx context.Context, repo change.RepositoryID, which func(groupState) bool) ([]change.Raised, error) {
	groups, err := r.groups(ctx, "")
	if err != nil {
		return nil, err
	}
	var raised []change.Raised
	for _, s := range groups {
		if !s.Ended && which(s) {
			raised = append(raised, change.Raised{Errand: change.Errand{Kind: change.ErrandGroup, Repository: repo, Name: string(s.Group.Head)}})
		}
	}
	return raised, nil
}

// showGroup makes the check on the group's head say what was decided, in a new check run if it is wanted again.
func (r *run) showGroup(ctx context.Context, d change.GroupDecision, again bool) error {
	head := d.Group.Head
	writes, err := r.settle(ctx, head)
	if err != nil {
		return err
	}
	posted, err := r.posted(ctx, head)
	if err != nil {
		return err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(text)
	wanted := plan.Wanted{Pull: r.main.work.Key, Head: head, Digest: hex.EncodeToString(digest[:])}
	wanted.Status, wanted.Conclusion = plan.Outcome(change.Decision{Verdict: d.Verdict, Observing: d.Observing})
	present := plan.Present{Run: posted, Writes: writes, Again: again, Now: r.github.Now()}
	effect, ok := plan.Write(wanted, present, func() (title, summary, text string) { return report.Group(d) })
	if !ok {
		return nil
	}
	return r.apply(ctx, []plan.Effect{effect})
}
