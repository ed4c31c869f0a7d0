package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// maxRounds bounds how often a policy's needs are asked for: one answer may raise another question, but not for ever.
const maxRounds = 8

// gathering reads into a subject's facts what its policy needs beyond the basics, in rounds.
type gathering struct {
	*run
	s      *subject
	trust  trust
	recent time.Time // when GitHub was asked about people at the earliest; zero: at any time

	mu         sync.Mutex          // guards the facts, and run.seen, while a round's answers come in
	trees      map[change.SHA]bool // by commit: whether its tree was asked about the changed files
	checksRead bool
}

// read asks one question and notes the answer in the facts.
type read = func(ctx context.Context) error

// satisfy reads what needs asks for beyond the basics, until it asks for nothing new. What is said of people was read from GitHub after recent,
// or at any time if that is zero. What an earlier load in this run knew of people is read again, and says only what to ask for first: with
// nobody known, every question looks as if it mattered.
func (r *run) satisfy(ctx context.Context, s *subject, t trust, recent time.Time, needs func(change.Facts) change.Needs) error {
	f := &s.facts
	need := needs(*f)
	f.People, f.Teams, f.Users = map[change.AccountID]change.Person{}, map[string]change.Team{}, map[string]change.Account{}
	g := &gathering{run: r, s: s, trust: t, recent: recent, trees: map[change.SHA]bool{}}
	for round := range maxRounds {
		if round > 0 {
			need = needs(*f)
		}
		reads := g.reads(need)
		if len(reads) == 0 && round > 0 {
			return nil
		}
		group, gctx := errgroup.WithContext(ctx)
		for _, read := range reads {
			group.Go(func() error { return read(gctx) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return fmt.Errorf("the policy asks for ever more facts: its needs did not end after %d rounds", maxRounds)
}

// reads returns what is to be read of what is needed. All reads are collected before any begins, because collecting them looks at the facts
// and their answers change them.
func (g *gathering) reads(need change.Needs) []read {
	return slices.Concat(
		g.people(need.People), g.teams(need.Teams, need.Members), g.users(need.Users), g.checks(need), g.files(need), g.views(need.Seen), g.entries(need.Trees),
	)
}

// note has an answer change the facts.
func (g *gathering) note(answer func(f *change.Facts)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	answer(&g.s.facts)
}

func (g *gathering) people(accounts []change.Account) (reads []read) {
	f := &g.s.facts
	for _, a := range accounts {
		if _, ok := f.People[a.ID]; ok {
			continue
		}
		reads = append(reads, func(ctx context.Context) error {
			person, err := g.github.Permission(ctx, f.Repository, a, g.recent)
			if err != nil {
				return err
			}
			g.note(func(f *change.Facts) { f.People[a.ID] = person })
			return nil
		})
	}
	return reads
}

// teams asks for teams that were not read, and once more for one that GitHub listed in part and whose list leaves somebody's membership open.
func (g *gathering) teams(slugs []string, members []change.Membership) (reads []read) {
	f := &g.s.facts
	lookFor := map[string][]change.Account{}
	for _, m := range members {
		if team, ok := f.Teams[m.Team]; ok && !slices.Contains(team.Absent, m.Account.ID) && !team.Has(m.Account.ID) {
			lookFor[m.Team] = append(lookFor[m.Team], m.Account)
		}
	}
	for _, slug := range slugs {
		if _, ok := f.Teams[slug]; !ok {
			lookFor[slug] = nil
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(lookFor)) {
		reads = append(reads, func(ctx context.Context) error {
			team, err := g.team(ctx, f.Repository, slug, lookFor[slug], g.recent)
			if err != nil {
				return err
			}
			g.note(func(f *change.Facts) { f.Teams[slug] = team })
			return nil
		})
	}
	return reads
}

func (g *gathering) users(logins []string) (reads []read) {
	for _, login := range logins {
		key := strings.ToLower(login)
		if _, ok := g.s.facts.Users[key]; ok {
			continue
		}
		reads = append(reads, func(ctx context.Context) error {
			account, err := g.resolve(ctx, login)
			if err != nil {
				return err
			}
			g.note(func(f *change.Facts) { f.Users[key] = account })
			return nil
		})
	}
	return reads
}

func (g *gathering) checks(need change.Needs) []read {
	f := &g.s.facts
	known := g.trust == trustHeld && f.ChecksKnown && !(need.Workflows && slices.ContainsFunc(f.Checks, lacksWorkflow))
	if !need.Checks || g.checksRead || known {
		return nil
	}
	g.checksRead = true
	return []read{func(ctx context.Context) error { return g.readChecks(ctx, need.Workflows) }}
}

// files asks the trees of the head and of the merge base about the changed files.
func (g *gathering) files(need change.Needs) (reads []read) {
	content := &g.s.facts.Content
	files := content.Files // as they are before anything is asked
	if head := content.Head; need.Modes && !g.trees[head] {
		g.trees[head] = true
		reads = append(reads, func(ctx context.Context) error {
			err := g.readTree(ctx, head, files, pathAtHead, func(c *change.File, e github.TreeEntry) { c.Mode = e.Mode })
			var lacking *github.Lacking
			if errors.As(err, &lacking) && !slices.ContainsFunc(files, mayBeLink) {
				return nil // what the modes would tell, the patches do
			}
			return err
		})
	}
	if base := content.MergeBase; need.Blobs && !g.trees[base] {
		g.trees[base] = true
		reads = append(reads, func(ctx context.Context) error {
			return g.readTree(ctx, base, files, pathBefore, func(c *change.File, e github.TreeEntry) { c.PreviousBlob = e.Blob })
		})
	}
	return reads
}

func (g *gathering) views(views []change.View) (reads []read) {
	for _, v := range views {
		if _, ok := g.s.facts.SeenIn(v); !ok {
			reads = append(reads, func(ctx context.Context) error { return g.readSeen(ctx, v) })
		}
	}
	return reads
}

func (g *gathering) entries(asked []change.TreePaths) (reads []read) {
	for _, paths := range asked {
		if lacksEntries(&g.s.facts, paths) {
			reads = append(reads, func(ctx context.Context) error { return g.readEntries(ctx, paths) })
		}
	}
	return reads
}

// readChecks reads the checks on the head, and keeps them.
func (g *gathering) readChecks(ctx context.Context, workflows bool) error {
	f, began := &g.s.facts, g.github.Began()
	head := f.Pull.Head.SHA
	listed, ours, err := g.github.Checks(ctx, f.Repository, head, workflows, began)
	if err != nil {
		return err
	}
	told, err := g.Store.SaveChecks(ctx, f.Repository.ID, head, listed, began, began.Add(-longestLag))
	if err != nil {
		return err
	}
	checks, left := withToldChecks(listed, told, g.trust)
	if workflows {
		left = later(left, withoutWorkflow(checks))
	}
	g.note(func(f *change.Facts) {
		f.Checks, f.ChecksKnown = checks, true
		g.seen[head] = ours
		g.s.left = later(g.s.left, left)
	})
	return nil
}

// resolve returns the account behind a login that a policy names, as it was first resolved. A name that nobody has, or that someone
// else has by now, is nobody.
func (r *run) resolve(ctx context.Context, login string) (change.Account, error) {
	recent := r.github.Began().Add(-peopleAge)
	account, err := r.github.User(ctx, login, recent)
	var missing *github.NotFound
	var lacking *github.Lacking
	if errors.As(err, &lacking) {
		account, err = r.github.Collaborator(ctx, r.main.work.Repository, login, recent)
	}
	if errors.As(err, &missing) {
		return change.Account{}, nil
	}
	if err != nil {
		return change.Account{}, err
	}
	first, err := r.Identities.RememberIdentity(ctx, "user", "", strings.ToLower(login), int64(account.ID))
	if err != nil {
		return change.Account{}, err
	}
	if first != int64(account.ID) {
		return change.Account{}, nil
	}
	return account, nil
}

// team reads a team that a policy names. One that is another than when it was first seen by this name cannot be read: whoever may make
// teams must not step into the place of a team that was renamed or deleted. What was first seen is forgotten with the installation. Where GitHub shows
// no team by itself, one is believed as long as none was ever seen by its name.
func (r *run) team(ctx context.Context, repo change.Repository, slug string, lookFor []change.Account, since time.Time) (change.Team, error) {
	team, err := r.github.Team(ctx, repo, slug, lookFor, since)
	if err != nil || team.Missing || team.Problem != "" {
		return team, err
	}
	scope, name := strconv.FormatInt(int64(repo.Installation), 10), strings.ToLower(slug)
	if team.ID == 0 {
		_, seen, err := r.Identities.Identity(ctx, "team", scope, name)
		if err == nil && seen {
			err = &github.Unavailable{Status: http.StatusOK, Err: fmt.Errorf("GitHub lists the members of %s, and does not show which team it is", slug)}
		}
		return team, err
	}
	first, err := r.Identities.RememberIdentity(ctx, "team", scope, name, int64(team.ID))
	if err != nil {
		return change.Team{}, err
	}
	if first != int64(team.ID) {
		return change.Team{ID: team.ID, Slug: slug, ReadAt: team.ReadAt, Replaced: true, Problem: "it is another team than the one first seen by this name"}, nil
	}
	return team, nil
}

// readTree reads what a commit's tree holds of some of the changed files and has set note it. Path is a file's path there; empty: it is
// not asked for.
func (g *gathering) readTree(
	ctx context.Context, commit change.SHA, files []change.File, path func(change.File) string, set func(*change.File, github.TreeEntry),
) error {
	var paths []string
	for _, file := range files {
		if p := path(file); p != "" {
			paths = append(paths, p)
		}
	}
	entries, _, err := g.github.Tree(ctx, g.s.facts.Repository, commit, paths)
	if err != nil {
		return err
	}
	g.note(func(f *change.Facts) {
		// The files belong to an answer that others hold too.
		f.Content.Files = slices.Clone(f.Content.Files)
		for i := range f.Content.Files {
			if p := path(f.Content.Files[i]); p != "" {
				set(&f.Content.Files[i], entries[p])
			}
		}
	})
	return nil
}

// mayBeLink says whether only a tree tells that a changed file is not a symlink or a submodule.
func mayBeLink(f change.File) bool { return pathAtHead(f) != "" && !f.IsPlain() }

// pathAtHead is where a changed file is at the head; empty if it was removed.
func pathAtHead(f change.File) string {
	if f.Status == change.FileRemoved {
		return ""
	}
	return f.Path
}

// pathBefore is where a changed file without a patch was before; empty if its content there is of no interest.
func pathBefore(f change.File) string {
	if f.Patch != "" || f.Status == change.FileAdded {
		return ""
	}
	return cmp.Or(f.PreviousPath, f.Path)
}

// readSeen reads what a view shows into the facts.
func (g *gathering) readSeen(ctx context.Context, v change.View) error {
	since := time.Time{}
	if g.s.work.Concerns.Has(change.ConcernVerify) {
		since = g.github.Began()
	}
	asked := v
	if asked.Base == "" {
		asked.Base = g.s.facts.Content.BaseTip
	}
	seen, err := g.github.Seen(ctx, g.s.facts.Repository, asked, since)
	if err != nil {
		return err
	}
	seen.View = v
	g.note(func(f *change.Facts) { f.Seen = append(f.Seen, seen) })
	return nil
}

// lacksEntries says whether entries that are asked for have not been read.
func lacksEntries(f *change.Facts, asked change.TreePaths) bool {
	tree, ok := f.Trees[asked.Commit]
	return !ok || !tree.Cut && slices.ContainsFunc(asked.Paths, func(path string) bool {
		_, ok := tree.Entries[path]
		return !ok
	})
}

// readEntries reads entries of a tree into the facts.
func (g *gathering) readEntries(ctx context.Context, asked change.TreePaths) error {
	found, complete, err := g.github.Tree(ctx, g.s.facts.Repository, asked.Commit, asked.Paths)
	var missing *github.NotFound
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	tree := change.Tree{Commit: asked.Commit, Entries: make(map[string]change.Entry, len(asked.Paths)), Cut: !complete || missing != nil}
	for _, path := range asked.Paths {
		if e, ok := found[path]; ok || !tree.Cut {
			tree.Entries[path] = change.Entry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	g.note(func(f *change.Facts) {
		if f.Trees == nil {
			f.Trees = map[change.SHA]change.Tree{}
		}
		f.Trees[asked.Commit] = tree
	})
	return nil
}
