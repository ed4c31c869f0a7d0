package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/ledger"
)

// Record is what ledger entries tell of what landed in one repository.
type Record struct {
	Repository int64 // only entries about it count; 0: all are to be about the same one
	only       int64 // which that is; 0: none was added yet
	pulls      map[place]Pull
	found      []Exception
	explained  map[string]bool
	decided    map[int]decision // of open pull requests the last
	policies   []InForce        // of all branches, in order
	last       time.Time        // when the newest entry was appended, whatever it is about
}

// place is a commit on a branch. Another pull request may have brought it to another branch.
type place struct{ commit, branch string }

// Pull is a pull request that was merged.
type Pull struct {
	Number   int
	Head     string // the last commit of its branch
	Commit   string // what GitHub says that it was merged as: of a rebase, the last one
	Base     string // the branch that it was merged into
	Category string // as it was last decided
	Verdict  string
	// Approvers are the logins of those whose approvals counted when it was merged.
	Approvers []string
	// Onto is what Head had in common with the branch when it was decided; empty: Head was not decided.
	Onto string
	// Observing says that the policy only observed, so that the verdict held nothing up.
	Observing bool
}

// Exception is something that went past the policy.
type Exception struct {
	Key       string   `json:"key"`
	Kind      string   `json:"kind"`
	Branch    string   `json:"branch"`
	Number    int      `json:"number"` // of the pull request behind it; 0: none
	Commits   []string `json:"commits"`
	Before    string   `json:"before"`
	Beside    string   `json:"beside"`
	After     string   `json:"after"`
	Explained bool     `json:"-"`
}

// decision is what is needed of one.
type decision struct {
	Head      string `json:"head"`
	MergeBase string `json:"merge_base"`
	Opinions  []struct {
		By     struct{ Login string } `json:"by"`
		Counts bool                   `json:"counts"`
	} `json:"opinions"`
}

// approvers returns the logins of those whose approvals count.
func (d decision) approvers() (logins []string) {
	for _, o := range d.Opinions {
		if o.Counts {
			logins = append(logins, o.By.Login)
		}
	}
	return logins
}

// onto is what a head had in common with the branch; empty: another head was decided.
func (d decision) onto(head string) string {
	if d.Head != head {
		return ""
	}
	return d.MergeBase
}

// tooManyCommits is the kind of exception that names the commits by their ends only; see change.TooManyCommits.
const tooManyCommits = "too many commits"

// Add takes note of an entry; those about other repositories than the record's, and those of kinds that say nothing of what landed, are passed over.
// It is an error if the entry cannot be read, or if it is about another repository than those before and Repository does not say which one counts.
func (r *Record) Add(e ledger.Entry) error {
	if e.At.After(r.last) {
		r.last = e.At
	}
	note, err := r.noteOf(e)
	if err != nil {
		return fmt.Errorf("read entry %d: %w", e.Seq, err)
	}
	if note == nil {
		return nil
	}
	switch about := e.Subject.Repository; {
	case r.Repository != 0 && r.Repository != about:
		return nil
	case r.only == 0:
		r.only = about
	case r.only != about:
		return fmt.Errorf("entry %d is about repository %d, and others are about %d: say which one it is", e.Seq, about, r.only)
	}
	if r.pulls == nil {
		r.pulls, r.explained, r.decided = map[place]Pull{}, map[string]bool{}, map[int]decision{}
	}
	note()
	return nil
}

// noteOf reads an entry and returns what takes note of it; nil: its kind says nothing of what landed.
func (r *Record) noteOf(e ledger.Entry) (note func(), err error) {
	switch e.Kind {
	case ledger.DecisionChanged:
		return noting(e, func(d decision) { r.decided[e.Subject.Number] = d })
	case ledger.PolicyInForce:
		return noting(e, func(p policyInForce) { r.inForce(e, p) })
	case ledger.PullEnded:
		return noting(e, func(p pullEnded) { r.ended(e.Subject, p) })
	case ledger.ExceptionFound:
		return noting(e, func(x Exception) { r.found = append(r.found, x) })
	case ledger.ExceptionExplained:
		return noting(e, func(x Exception) { r.explained[x.Key] = true })
	case ledger.ExceptionNamed:
		return noting(e, func(n exceptionNamed) {
			if len(n.Withdrawn) > 0 {
				r.explained[n.Key] = false
			}
		})
	}
	return nil, nil
}

// noting reads an entry's body and returns what takes note of it.
func noting[T any](e ledger.Entry, note func(T)) (func(), error) {
	var body T
	err := json.Unmarshal(e.Body, &body)
	return func() { note(body) }, err
}

// pullEnded is what is needed of the body of an entry of kind ledger.PullEnded.
type pullEnded struct {
	State       string `json:"state"`
	MergeCommit string `json:"merge_commit"`
	Base        string `json:"base"`
	Category    string `json:"category"`
	Verdict     string `json:"verdict"`
	Observing   bool   `json:"observing"`
}

// exceptionNamed is what is needed of the body of an entry of kind ledger.ExceptionNamed.
type exceptionNamed struct {
	Key       string          `json:"key"`
	Withdrawn json.RawMessage `json:"withdrawn"` // the explanation that counts no more
}

// ended takes note of a pull request that ended, if it was merged.
func (r *Record) ended(about ledger.Subject, p pullEnded) {
	if p.State != "merged" {
		return
	}
	last := r.decided[about.Number]
	r.pulls[place{p.MergeCommit, p.Base}] = Pull{
		Number: about.Number, Head: about.SHA, Commit: p.MergeCommit, Base: p.Base, Category: p.Category, Verdict: p.Verdict,
		Observing: p.Observing, Approvers: last.approvers(), Onto: last.onto(about.SHA),
	}
}

// Landed is a commit on a branch with what the ledger knows of it.
type Landed struct {
	Commit
	Pull       *Pull // nil: it came through none that the ledger knows to have been merged into this branch
	Exceptions []Exception
}

// Known says whether the commit is a change's or an exception's.
func (l Landed) Known() bool { return l.Pull != nil || len(l.Exceptions) > 0 }

// Reconciliation is a branch compared with the ledger.
type Reconciliation struct {
	Branch  string
	Landed  []Landed // oldest first
	Before  int      // how many commits are before the range, and were not looked at
	Missing []Pull   // merged into the branch, and no commit on it, in the order of their numbers
	// Unfetched are the pull requests whose own commits the clone does not have, and whose commit on the branch follows one that is unknown: if they were
	// rebased, that one is theirs as well. Newest first.
	Unfetched []Pull
	// Elsewhere are branches that pull requests brought commits of this one to that are not known here: other branches, or former names of this one. A
	// branch that the clone has is named for commits of the range only: what is before may be what this one began with.
	Elsewhere []string
	// Policies are those that the branch was decided by, one after the other.
	Policies []InForce
	// Last is when the newest entry was appended that is known: of what came later the ledger may know more.
	Last time.Time
}

// Later returns the newest commits, as far as all of them are neither a change's nor an exception's and are dated after the newest entry.
func (r Reconciliation) Later() []Landed {
	n := len(r.Landed)
	for n > 0 && !r.Landed[n-1].Known() && r.Landed[n-1].At.After(r.Last) {
		n--
	}
	return r.Landed[n:]
}

// Unknown returns the commits that are neither a change's nor an exception's.
func (r Reconciliation) Unknown() (list []Landed) {
	for _, l := range r.Landed {
		if !l.Known() {
			list = append(list, l)
		}
	}
	return list
}

// ReconcileOptions say which commits are to be accounted for.
type ReconcileOptions struct {
	Branch string // empty: the default branch
	// Formerly are names that the branch had before. What landed on it then, the ledger has under these.
	Formerly []string
	After    string // the last commit that is not; empty: the one before the oldest that the ledger knows of
	Until    string // the last commit that is; empty: the last one of the branch
}

// Reconcile maps every commit on the line of first parents of a branch to a change or an exception. A commit of a merge that is not on
// that line came with the merge. Of pull requests that were rebased the ledger names the last commit; those before it are known by
// what they change, if the clone has the pull request's own commits. Where its own commits are on the line, they are those that were decided.
func Reconcile(ctx context.Context, g Git, r *Record, o ReconcileOptions) (out Reconciliation, err error) {
	if out.Branch = o.Branch; out.Branch == "" {
		if out.Branch, err = g.DefaultBranch(ctx); err != nil {
			return out, err
		}
	}
	if shallow, err := g.isShallow(ctx); err != nil || shallow {
		if err == nil {
			err = fmt.Errorf("the clone in %s has the newest commits only: git -C %[1]s fetch --unshallow", g.Dir)
		}
		return out, err
	}
	tip, err := g.tip(ctx, out.Branch)
	if err != nil {
		return out, err
	}
	line, err := g.line(ctx, tip)
	if err != nil {
		return out, err
	}
	m := mapper{git: g, record: r, branch: out.Branch, names: append([]string{out.Branch}, o.Formerly...)}
	if err := m.follow(ctx, line); err != nil {
		return out, err
	}
	if err := m.pulls(ctx); err != nil {
		return out, err
	}
	m.exceptions()
	out.Missing, out.Last = m.missing(), r.last
	if out.Policies, err = m.policies(ctx); err != nil {
		return out, err
	}

	from, to, err := m.span(ctx, o)
	if err != nil {
		return out, err
	}
	out.Elsewhere = m.elsewhere(ctx, from, to)
	for _, i := range m.unfetched {
		if i >= from && i+1 < to && !m.landed[i+1].Known() {
			out.Unfetched = append(out.Unfetched, *m.landed[i].Pull)
		}
	}
	out.Before = len(m.line) - to
	out.Landed = slices.Clone(m.landed[from:to])
	slices.Reverse(out.Landed)
	return out, nil
}

// mapper maps the commits of a line, newest first.
type mapper struct {
	git    Git
	record *Record
	branch string
	names  []string // of the branch, now and before
	line   []Commit
	index  map[string]int
	landed []Landed
	// unfetched are the places of pull requests whose own commits the clone does not have.
	unfetched []int
}

// follow sets the line of the branch, which is that of first parents, but where somebody merged the branch into something else and pushed that to the branch:
// there it is another parent, and the line goes on with what the branch was before, as far as the ledger knows.
func (m *mapper) follow(ctx context.Context, line []Commit) error {
	m.line, m.index = line, map[string]int{}
	for i, c := range m.line {
		m.index[c.SHA] = i
	}
	was := map[string]string{}
	for _, e := range m.record.found {
		if slices.Contains(m.names, e.Branch) && (len(e.Commits) > 0 || e.Kind == tooManyCommits) { // of a forced push what was before is off the branch
			was[e.After] = cmp.Or(e.Beside, e.Before)
		}
	}
	for i := 0; i < len(m.line); i++ {
		last := m.line[i].SHA
		onto := was[last]
		if p := m.pullAt(last); p != nil && p.Commit == p.Head && p.Onto != "" {
			onto = p.Onto
		}
		if _, ok := m.index[onto]; ok || onto == "" || !m.git.isOn(ctx, onto, last) {
			continue
		}
		aside, err := m.git.aside(ctx, last, onto)
		if err != nil {
			return err
		}
		own := i + 1
		for own < len(m.line) && (aside[m.line[own].SHA] || !m.git.isOn(ctx, m.line[own].SHA, onto)) {
			own++
		}
		before, err := m.git.line(ctx, onto)
		if err != nil {
			return err
		}
		for _, c := range m.line[own:] {
			delete(m.index, c.SHA)
		}
		m.line = append(m.line[:own:own], before...)
		for i, c := range before {
			m.index[c.SHA] = own + i
		}
	}
	m.landed = make([]Landed, len(m.line))
	for i, c := range m.line {
		m.landed[i] = Landed{Commit: c}
	}
	return nil
}

// pullAt returns the pull request that brought a commit to the branch; nil if none is known.
func (m *mapper) pullAt(commit string) *Pull {
	for _, name := range m.names {
		if p, ok := m.record.pulls[place{commit, name}]; ok {
			return &p
		}
	}
	return nil
}

// span returns where on the line the commits are that are to be accounted for. The newest is first, so they are those from Until to right before After.
func (m *mapper) span(ctx context.Context, o ReconcileOptions) (from, to int, err error) {
	to = len(m.line)
	if o.Until != "" {
		if from, err = m.find(ctx, o.Until); err != nil {
			return 0, 0, err
		}
	}
	if o.After != "" {
		to, err = m.find(ctx, o.After)
		return from, max(from, to), err
	}
	for to > from && !m.landed[to-1].Known() {
		to--
	}
	if to == from { // the ledger knows none of them
		to = len(m.line)
	}
	return from, to, nil
}

// find returns the place of a commit on the line.
func (m *mapper) find(ctx context.Context, name string) (int, error) {
	sha, err := m.git.resolve(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("the clone in %s has no commit %s: fetch it, or name another", m.git.Dir, name)
	}
	i, ok := m.index[sha]
	if !ok {
		return 0, fmt.Errorf("%s is not on the line of first parents of %s", name, m.branch)
	}
	return i, nil
}

// pulls maps commits to the pull requests that they came through.
func (m *mapper) pulls(ctx context.Context) error {
	for i, c := range m.line {
		m.landed[i].Pull = m.pullAt(c.SHA)
	}
	for i := range m.landed {
		// Where what is before a pull request's commit is not accounted for, that may have been the last of several.
		if p := m.landed[i].Pull; p != nil && p.Commit == m.line[i].SHA && i+1 < len(m.line) && m.landed[i+1].Pull == nil {
			switch {
			case p.Commit == p.Head:
				m.forwarded(i, p)
			case !m.line[i].Merge:
				if err := m.rebased(ctx, i, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// forwarded maps the commits before the one at a place, which is the last of a pull request that somebody pushed to the branch as it was, down to
// what the two had in common when it was decided.
func (m *mapper) forwarded(at int, p *Pull) {
	onto, ok := m.index[p.Onto]
	if !ok {
		return
	}
	for i := at + 1; i < onto && m.landed[i].Pull == nil; i++ {
		m.landed[i].Pull = p
	}
}

// rebased maps the commits before the one at a place that change what the pull request's own commits changed, in the same order.
func (m *mapper) rebased(ctx context.Context, at int, p *Pull) error {
	if p.Head == "" {
		return nil
	}
	if !m.git.has(ctx, p.Head) {
		m.unfetched = append(m.unfetched, at)
		return nil
	}
	// From where the branch was when the pull request left it: what of it the branch had before is not its own.
	own, err := m.git.patches(ctx, m.line[at].SHA+".."+p.Head)
	if err != nil {
		return err
	}
	same, err := m.landedAs(ctx, at, own)
	if changing := slices.DeleteFunc(slices.Clone(own), func(id string) bool { return id == "" }); err == nil && !same && len(changing) < len(own) {
		own = changing // those that change nothing may have been left out
		same, err = m.landedAs(ctx, at, own)
	}
	if err != nil || !same {
		return err
	}
	for i := at + 1; i < at+len(own); i++ {
		m.landed[i].Pull = p
	}
	return nil
}

// landedAs says whether the commits of the line from a place on change what is given, newest first, and those before the newest are of no other pull
// request.
func (m *mapper) landedAs(ctx context.Context, at int, patches []string) (bool, error) {
	if len(patches) < 2 || at+len(patches) > len(m.line) {
		return false, nil
	}
	for i := at + 1; i < at+len(patches); i++ {
		if m.landed[i].Pull != nil {
			return false, nil
		}
	}
	landed, err := m.git.patches(ctx, "--first-parent", m.line[at].SHA, "^"+m.line[at+len(patches)-1].SHA+"^@")
	return err == nil && slices.Equal(patches, landed), err
}

func (m *mapper) exceptions() {
	for _, e := range m.record.found {
		if !slices.Contains(m.names, e.Branch) {
			continue
		}
		e.Explained = m.record.explained[e.Key]
		commits := map[string]bool{}
		for _, sha := range e.Commits {
			commits[sha] = true
		}
		newest, ok := m.index[e.After]
		if before, was := m.index[e.Before]; e.Kind == tooManyCommits && ok && was {
			for i := newest; i < before; i++ {
				commits[m.line[i].SHA] = true
			}
		}
		for i := range m.landed {
			l := &m.landed[i]
			if commits[l.SHA] || e.Number != 0 && l.Pull != nil && l.Pull.Number == e.Number {
				l.Exceptions = append(l.Exceptions, e)
			}
		}
	}
}

// missing returns the pull requests that were merged into the branch and are not on it.
func (m *mapper) missing() (list []Pull) {
	for at, p := range m.record.pulls {
		if _, ok := m.index[at.commit]; !ok && slices.Contains(m.names, at.branch) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Pull) int { return cmp.Or(a.Number-b.Number, cmp.Compare(a.Commit, b.Commit)) })
	return list
}

// elsewhere returns the other branches that pull requests brought commits of the line to which are not known here: commits of the range, or, if the clone
// does not have that branch, whichever.
func (m *mapper) elsewhere(ctx context.Context, from, to int) (branches []string) {
	inRange := map[string]bool{} // by branch, whether one of its commits is
	for at := range m.record.pulls {
		if i, ok := m.index[at.commit]; ok && !m.landed[i].Known() {
			inRange[at.branch] = inRange[at.branch] || i >= from && i < to
		}
	}
	for branch, is := range inRange {
		if _, err := m.git.tip(ctx, branch); is || err != nil {
			branches = append(branches, branch)
		}
	}
	slices.Sort(branches)
	return branches
}
