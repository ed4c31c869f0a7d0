package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLRU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 4000
		c := newLRU[int](limit)
		last := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				key, v, size := fmt.Sprint("k", rapid.IntRange(0, 30).Draw(t, "key")), rapid.Int().Draw(t, "v"), rapid.IntRange(0, 1500).Draw(t, "size")
				c.put(key, v, size)
				last[key] = v
				_, ok := c.get(key)
				if fits := int64(size+len(key))+lruOverhead <= limit/4; ok != fits {
					t.Fatalf("size %d: held %v", size, ok)
				}
			},
			"get": func(t *rapid.T) {
				key := fmt.Sprint("k", rapid.IntRange(0, 30).Draw(t, "key"))
				if v, ok := c.get(key); ok && v != last[key] {
					t.Fatalf("%s: got %d, want %d", key, v, last[key])
				}
			},
			"drop": func(t *rapid.T) {
				prefix := fmt.Sprint("k", rapid.IntRange(0, 3).Draw(t, "prefix"))
				c.dropPrefix(prefix)
				for key := range last {
					if _, ok := c.get(key); ok && strings.HasPrefix(key, prefix) {
						t.Fatalf("%s is still there", key)
					}
				}
			},
			"": func(t *rapid.T) {
				if used := c.size(); used < 0 || used > limit {
					t.Fatalf("used %d", used)
				}
				if c.order.Len() != len(c.lookup) {
					t.Fatal("order and lookup differ")
				}
			},
		})
	})
}

func TestLRUForgetsTheOldestUse(t *testing.T) {
	c := newLRU[string](4 * (lruOverhead + 1))
	for _, key := range []string{"a", "b", "c", "d"} {
		c.put(key, key, 0)
	}
	c.get("a")
	c.put("e", "e", 0)
	if _, ok := c.get("b"); ok {
		t.Error("b was used longest ago and is still there")
	}
	if _, ok := c.get("a"); !ok {
		t.Error("a was just used and is gone")
	}
}

func TestKeyedLock(t *testing.T) {
	l := newKeyedLock()
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock()
	again, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	again()
	if len(l.held) != 0 {
		t.Errorf("%d keys are kept for nobody", len(l.held))
	}
}

// TestParametersStayInTheirPlace covers names that strangers choose, such as a team's slug in a policy.
func TestParametersStayInTheirPlace(t *testing.T) {
	g := newFake(t).github()
	rapid.Check(t, func(t *rapid.T) {
		slug := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"..", ".", "../..", "a/b", "a?b=c", "a#b", "%2e%2e", "//evil.example", "a\x00b", "ü"})).Draw(t, "slug")
		u, err := g.api.Parse(listMembers.at("acme", slug) + "?per_page=100")
		if err != nil {
			t.Fatal(err)
		}
		if u.Host != g.api.Host || u.RawQuery != "per_page=100" || u.Fragment != "" {
			t.Fatalf("%q escaped to %s", slug, u)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 6 || parts[1] != "orgs" || parts[2] != "acme" || parts[3] != "teams" || parts[5] != "members" {
			t.Fatalf("%q made the path %s", slug, u.EscapedPath())
		}
	})
	for _, tt := range []struct{ got, want string }{
		{getContents.at("acme", "shop", ".github"), "repos/acme/shop/contents/.github"},
		{getContents.at("acme", "shop", "a b/../ü"), "repos/acme/shop/contents/a%20b/%00/%C3%BC"},
		{getRef.at("acme", "shop", "heads/release/1"), "repos/acme/shop/git/ref/heads/release/1"},
		{listCheckRuns.at("acme", "shop", "heads/x"), "repos/acme/shop/commits/heads%2Fx/check-runs"},
		{listRepositories.at(), "installation/repositories"},
	} {
		equal(t, "path", tt.got, tt.want)
	}
}
