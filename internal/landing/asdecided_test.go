package landing

import (
	"context"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
)

// holds is Content of which some cannot be read.
type holds struct {
	*world
	seenErr, treeErr error
	cut              bool // trees are not listed whole
}

func (h *holds) Began() time.Time { return h.now }

func (h *holds) Seen(_ context.Context, _ change.Repository, v change.View, _ time.Time) (change.Seen, error) {
	return h.seen(v), h.seenErr
}

func (h *holds) Tree(_ context.Context, _ change.Repository, c change.SHA, paths []string) (map[string]github.TreeEntry, bool, error) {
	entries := map[string]github.TreeEntry{}
	for _, p := range paths {
		if e, ok := h.commits[c].tree[p]; ok {
			entries[p] = github.TreeEntry{Mode: e.Mode, Blob: e.Blob}
		}
	}
	if h.cut || h.treeErr != nil {
		clear(entries)
	}
	return entries, !h.cut, h.treeErr
}

// TestWhetherItIsAsDecided: what cannot be compared was not decided so, and of what cannot be read nothing is known.
func TestWhetherItIsAsDecided(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(h *holds, p *Merged, before, after *change.SHA)
		want   bool
		fails  bool
	}{
		{"as decided, on another base", func(*holds, *Merged, *change.SHA, *change.SHA) {}, true, false},
		{"something else", func(h *holds, _ *Merged, before, after *change.SHA) {
			*after = h.commit(h.with(*after, files{"evil.txt": blob("e")}), bob, *before)
		}, false, false},
		{"a file that it removes is there", func(h *holds, _ *Merged, before, after *change.SHA) {
			*after = h.commit(h.with(*after, files{"README.md": blob("readme")}), bob, *before)
		}, false, false},
		{"a tree that is not listed whole", func(h *holds, _ *Merged, _, _ *change.SHA) { h.cut = true }, false, false},
		{"a tree that is not there", func(h *holds, _ *Merged, _, _ *change.SHA) { h.treeErr = &github.NotFound{} }, false, false},
		{"a tree that cannot be read", func(h *holds, _ *Merged, _, _ *change.SHA) { h.treeErr = errOutage }, false, true},
		{"a comparison that cannot be read", func(h *holds, _ *Merged, _, _ *change.SHA) { h.seenErr = errOutage }, false, true},
		{"a branch that was not there before", func(_ *holds, _ *Merged, before, _ *change.SHA) { *before = "" }, false, false},
		{"nothing that it was decided against", func(_ *holds, p *Merged, _, _ *change.SHA) { p.Base.SHA, p.Decision = "", nil }, false, false},
	} {
		h := &holds{world: newWorld()}
		p := h.pull(files{"a.txt": blob("a"), "README.md": {}})
		h.squash(h.pull(files{"z.txt": blob("z")}), nil)
		before := h.tip
		h.squash(p, nil)
		after := h.tip
		row.change(h, p, &before, &after)
		got, err := AsDecided(t.Context(), h, shop, *p, before, after)
		if got != row.want || (err != nil) != row.fails {
			t.Errorf("%s: %v, %v; want %v", row.name, got, err, row.want)
		}
	}
}
