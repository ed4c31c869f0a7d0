package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// satisfy reads what needs says beyond the basics until that is nothing new. What it says of people was read from GitHub after recent, or
// at any time if that is zero. What an earlier load in this run knew of people says where to begin: with nothing known, every question
// looks as if it mattered.
func (r *run) satisfy(ctx context.Context, s *subject, t trust, recent time.Time, needs func(change.Facts) change.Needs) error {
	f := &s.facts
	need := needs(*f)
	f.People, f.Teams, f.Users = map[change.AccountID]change.Person{}, map[string]change.Team{}, map[string]change.Account{}
	trees := map[change.SHA]bool{}
	checksRead := false
	for round := range maxRounds {
		if round > 0 {
			need = needs(*f)
		}
		var mu sync.Mutex // guards f below
		group, gctx := errgroup.WithContext(ctx)
		// All questions are collected before any is asked: collecting them reads f, and answers write to it.
		var reads []func() error
		ask := func(read func() error) { reads = append(reads, read) }

		for _, a := range need.People {
			if _, ok := f.People[a.ID]; ok {
				continue
			}
			ask(func() error {
				person, err := r.github.Permission(gctx, f.Repository, a, recent)
				mu.Lock()
				defer mu.Unlock()
				f.People[a.ID] = person
				return err
			})
		}
		lookFor := map[string][]change.Account{}
		for _, m := range need.Members {
			if team, ok := f.Teams[m.Team]; ok && !slices.Contains(team.Absent, m.Account.ID) && !team.Has(m.Account.ID) {
				lookFor[m.Team] = append(lookFor[m.Team], m.Account)
			}
		}
		for _, slug := range need.Teams {
			if _, ok := f.Teams[slug]; !ok {
				lookFor[slug] = nil
			}
		}
		for _, slug := range slices.Sorted(maps.Keys(lookFor)) {
			ask(func() error {
				team, err := r.team(gctx, f.Repository, slug, lookFor[slug], recent)
				mu.Lock()
				defer mu.Unlock()
				f.Teams[slug] = team
				return err
			})
		}
		for _, login := range need.Users {
			key := strings.ToLower(login)
			if _, ok := f.Users[key]; ok {
				continue
			}
			ask(func() error {
				account, err := r.resolve(gctx, login)
				mu.Lock()
				defer mu.Unlock()
				f.Users[key] = account
				return err
			})
		}
		if need.Checks && !checksRead && (t == trustVerified || !f.ChecksKnown || need.Workflows && lacksWorkflow(f.Checks)) {
			checksRead = true
			ask(func() error { return r.readChecks(gctx, s, t, need.Workflows, &mu) })
		}
		files := f.Content.Files // as they are before anything is asked
		if head := f.Content.Head; need.Modes && !trees[head] {
			trees[head] = true
			ask(func() error {
				return r.readTree(gctx, f, &mu, head, files, pathAtHead, func(c *change.File, e github.TreeEntry) { c.Mode = e.Mode })
			})
		}
		if base := f.Content.MergeBase; need.Blobs && !trees[base] {
			trees[base] = true
			ask(func() error {
				return r.readTree(gctx, f, &mu, base, files, pathBefore, func(c *change.File, e github.TreeEntry) { c.PreviousBlob = e.Blob })
			})
		}
		for _, v := range need.Seen {
			if _, ok := f.SeenIn(v); !ok {
				ask(func() error { return r.readSeen(gctx, s, v, &mu) })
			}
		}
		for _, l := range need.Trees {
			if lacksEntries(f, l) {
				ask(func() error { return r.readEntries(gctx, f, l, &mu) })
			}
		}
		for _, read := range reads {
			group.Go(read)
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if len(reads) == 0 && round > 0 {
			return nil
		}
	}
	return fmt.Errorf("the policy asks for ever more facts: its needs did not end after %d rounds", maxRounds)
}

// readChecks reads the checks on the head, and keeps them.
func (r *run) readChecks(ctx context.Context, s *subject, t trust, workflows bool, mu *sync.Mutex) error {
	f, began := &s.facts, r.github.Began()
	head := f.Pull.Head.SHA
	listed, ours, err := r.github.Checks(ctx, f.Repository, head, workflows, began)
	if err != nil {
		return err
	}
	told, err := r.Store.SaveChecks(ctx, f.Repository.ID, head, listed, began, began.Add(-longestLag))
	if err != nil {
		return err
	}
	checks, left := withToldChecks(listed, told, t)
	mu.Lock()
	defer mu.Unlock()
	f.Checks, f.ChecksKnown = checks, true
	r.seen[head] = ours
	if left.After(s.left) {
		s.left = left
	}
	return nil
}

// resolve returns the account behind a login that a policy names, as it was first resolved. A name that nobody has, or that someone
// else has by now, is nobody.
func (r *run) resolve(ctx context.Context, login string) (change.Account, error) {
	account, err := r.github.User(ctx, login, r.github.Began().Add(-peopleAge))
	var missing *github.NotFound
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
// teams must not step into the place of a team that was renamed or deleted. What was first seen is forgotten with the installation.
func (r *run) team(ctx context.Context, repo change.Repository, slug string, lookFor []change.Account, since time.Time) (change.Team, error) {
	team, err := r.github.Team(ctx, repo, slug, lookFor, since)
	if err != nil || team.Missing || team.Problem != "" {
		return team, err
	}
	scope := strconv.FormatInt(int64(repo.Installation), 10)
	first, err := r.Identities.RememberIdentity(ctx, "team", scope, strings.ToLower(slug), int64(team.ID))
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
func (r *run) readTree(
	ctx context.Context, f *change.Facts, mu *sync.Mutex, commit change.SHA, files []change.File,
	path func(change.File) string, set func(*change.File, github.TreeEntry),
) error {
	var paths []string
	for _, file := range files {
		if p := path(file); p != "" {
			paths = append(paths, p)
		}
	}
	entries, _, err := r.github.Tree(ctx, f.Repository, commit, paths)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	// The files belong to an answer that others hold too.
	f.Content.Files = slices.Clone(f.Content.Files)
	for i := range f.Content.Files {
		if p := path(f.Content.Files[i]); p != "" {
			set(&f.Content.Files[i], entries[p])
		}
	}
	return nil
}

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
func (r *run) readSeen(ctx context.Context, s *subject, v change.View, mu *sync.Mutex) error {
	since := time.Time{}
	if s.work.Concerns.Has(change.ConcernVerify) {
		since = r.github.Began()
	}
	asked := v
	if asked.Base == "" {
		asked.Base = s.facts.Content.BaseTip
	}
	seen, err := r.github.Seen(ctx, s.facts.Repository, asked, since)
	if err != nil {
		return err
	}
	seen.View = v
	mu.Lock()
	defer mu.Unlock()
	s.facts.Seen = append(s.facts.Seen, seen)
	return nil
}

// lacksEntries says whether entries that are asked for have not been read.
func lacksEntries(f *change.Facts, l change.TreePaths) bool {
	tree, ok := f.Trees[l.Commit]
	return !ok || !tree.Cut && slices.ContainsFunc(l.Paths, func(path string) bool {
		_, ok := tree.Entries[path]
		return !ok
	})
}

// readEntries reads entries of a tree into the facts.
func (r *run) readEntries(ctx context.Context, f *change.Facts, l change.TreePaths, mu *sync.Mutex) error {
	found, complete, err := r.github.Tree(ctx, f.Repository, l.Commit, l.Paths)
	var missing *github.NotFound
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	tree := change.Tree{Commit: l.Commit, Entries: make(map[string]change.Entry, len(l.Paths)), Cut: !complete || missing != nil}
	for _, path := range l.Paths {
		if e, ok := found[path]; ok || !tree.Cut {
			tree.Entries[path] = change.Entry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if f.Trees == nil {
		f.Trees = map[change.SHA]change.Tree{}
	}
	f.Trees[l.Commit] = tree
	return nil
}
