package githubsim_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/githubsim"
)

func (h *hooks) events() []string {
	var out []string
	for _, r := range h.all() {
		e, _ := github.ParseWebHook(r.event, r.body)
		action := ""
		if a, ok := e.(interface{ GetAction() string }); ok {
			action = " " + a.GetAction()
		}
		out = append(out, strings.TrimSpace(r.event+action))
	}
	return out
}

func TestDeliveriesAreSignedAndInOrder(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{Labels: []string{"bug"}})
	check(t, w.As("bob").Approve(pr))
	w.flush()
	got := strings.Join(w.hooks.events(), ", ")
	want := "installation created, push, create, check_suite requested, pull_request opened, pull_request labeled, pull_request_review submitted"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	seen := map[string]bool{}
	for _, r := range w.hooks.all() {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(r.body)
		if sig := r.header.Get("X-Hub-Signature-256"); sig != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s is signed %q", r.event, sig)
		}
		if !strings.HasPrefix(r.header.Get("X-Hub-Signature"), "sha1=") || r.header.Get("Content-Type") != "application/json" || r.header.Get("X-GitHub-Hook-Installation-Target-ID") != fmt.Sprint(w.app.ID) {
			t.Errorf("%s has the headers %v", r.event, r.header)
		}
		if seen[r.guid] {
			t.Errorf("%s came twice", r.guid)
		}
		seen[r.guid] = true
		e, err := github.ParseWebHook(r.event, r.body)
		check(t, err)
		if p, ok := e.(*github.PullRequestEvent); ok && (p.GetInstallation().GetID() != w.install || p.GetSender().GetLogin() != "alice" || p.GetPullRequest().GetHead().GetSHA() != pr.Head) {
			t.Errorf("got %v", p)
		}
	}
}

func TestOnlyWhatTheAppMayHear(t *testing.T) {
	w := start(t)
	deaf := must[*githubsim.App](t)(w.RegisterApp(githubsim.AppOptions{Slug: "deaf", Permissions: map[string]string{"issues": "read"}, Events: []string{"pull_request", "issues"}, Key: must2(key())}))
	must[int64](t)(deaf.Install("acme"))
	w.open(githubsim.PullOptions{})
	must[githubsim.Pull](t)(w.As("alice").OpenIssue("acme/app", "A bug", "It is one"))
	w.flush()
	var got []string
	for _, d := range deaf.Deliveries() {
		got = append(got, d.Event)
	}
	if want := []string{"installation", "issues"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: no permission, no pull_request", got, want)
	}
	check(t, w.app.Suspend("acme"))
	w.flush()
	w.hooks.reset()
	w.open(githubsim.PullOptions{Branch: "second"})
	w.flush()
	if got := w.hooks.events(); len(got) != 0 {
		t.Errorf("a suspended installation got %v", got)
	}
}

func TestFates(t *testing.T) {
	w := start(t)
	pr := w.open(githubsim.PullOptions{})
	w.flush()
	w.hooks.reset()
	w.Intercept(func(d githubsim.Delivery) githubsim.Fate {
		switch d.Event + " " + d.Action {
		case "pull_request labeled":
			return githubsim.Hold
		case "pull_request unlabeled":
			return githubsim.Duplicate
		case "pull_request edited":
			return githubsim.Lose
		case "pull_request_review submitted":
			return githubsim.Fail
		}
		return githubsim.Deliver
	})
	alice := w.As("alice")
	check(t, alice.AddLabel(pr, "bug"), alice.AddLabel(pr, "documentation"), alice.RemoveLabel(pr, "bug"), alice.EditTitle(pr, "x"), w.As("bob").Approve(pr))
	w.flush()
	if got := w.hooks.events(); !slices.Equal(got, []string{"pull_request unlabeled", "pull_request unlabeled"}) {
		t.Errorf("got %v", got)
	}
	if all := w.hooks.all(); all[0].guid != all[1].guid {
		t.Error("a doubled delivery has two GUIDs")
	}
	held := w.Held()
	if len(held) != 2 {
		t.Fatalf("%d are held", len(held))
	}
	w.hooks.reset()
	w.Release(held[1], held[0])
	w.flush()
	if all := w.hooks.all(); len(all) != 2 || all[0].guid != held[1].GUID || all[1].guid != held[0].GUID {
		t.Errorf("released %v", all)
	}

	// The one that failed is in the log, and can be had again with its GUID; the lost one is nowhere.
	w.Intercept(nil)
	w.hooks.reset()
	list, _, err := w.appAPI.Apps.ListHookDeliveries(context.Background(), nil)
	check(t, err)
	var failed *github.HookDelivery
	for _, d := range list {
		if d.GetEvent() == "pull_request" && d.GetAction() == "edited" {
			t.Error("the lost one is in the log")
		}
		if d.GetStatus() != "OK" {
			failed = d
		}
	}
	if failed == nil || failed.GetEvent() != "pull_request_review" || failed.GetStatusCode() != 502 {
		t.Fatalf("got %v", failed)
	}
	_, _, err = w.appAPI.Apps.RedeliverHookDelivery(context.Background(), failed.GetID())
	var accepted *github.AcceptedError
	if !errors.As(err, &accepted) {
		t.Errorf("got %v, want a 202", err)
	}
	w.flush()
	if all := w.hooks.all(); len(all) != 1 || all[0].guid != failed.GetGUID() {
		t.Errorf("got %v", all)
	}
	full, _, err := w.appAPI.Apps.GetHookDelivery(context.Background(), failed.GetID())
	check(t, err)
	payload, err := full.ParseRequestPayload()
	if e, ok := payload.(*github.PullRequestReviewEvent); err != nil || !ok || e.GetReview().GetState() != "approved" {
		t.Errorf("got %v, %v", payload, err)
	}
}

func TestDeliveryLog(t *testing.T) {
	var at time.Time
	w := start(t, func(c *githubsim.Config) {
		inner := c.Clock
		c.Clock = func() time.Time {
			if at.IsZero() {
				return inner()
			}
			return at
		}
	})
	pr := w.open(githubsim.PullOptions{})
	w.flush()
	w.hooks.answer(http.StatusInternalServerError)
	check(t, w.As("alice").AddLabel(pr, "bug"))
	w.flush()
	w.hooks.answer(http.StatusAccepted)
	check(t, w.As("alice").RemoveLabel(pr, "bug"))
	w.flush()
	var ids []int64
	opts := &github.ListCursorOptions{PerPage: 2}
	failures := 0
	for {
		page, resp, err := w.appAPI.Apps.ListHookDeliveries(context.Background(), opts)
		check(t, err)
		for _, d := range page {
			ids = append(ids, d.GetID())
			if d.GetStatusCode() == 500 {
				failures++
			}
		}
		if resp.Cursor == "" {
			break
		}
		opts.Cursor = resp.Cursor
	}
	if len(ids) != len(w.app.Deliveries()) || failures != 1 || !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("%d of %d deliveries, %d failed: %v", len(ids), len(w.app.Deliveries()), failures, ids)
	}
	list := w.ok(w.appAPI, "GET", "/app/hook/deliveries?status=failure", nil).([]any)
	if len(list) != 1 {
		t.Errorf("%d failures are listed", len(list))
	}
	last := w.Now()
	at = last.Add(4 * 24 * time.Hour)
	if list := w.ok(w.appAPI, "GET", "/app/hook/deliveries", nil).([]any); len(list) != 0 {
		t.Errorf("%d deliveries are still listed after four days", len(list))
	}
	if status, _, _ := w.do(w.appAPI, "POST", itoa("/app/hook/deliveries/", ids[0])+"/attempts", nil); status != 422 {
		t.Errorf("redelivery after four days: %d", status)
	}
}

func TestUnreachableApp(t *testing.T) {
	w := start(t)
	w.app.SetWebhook("http://127.0.0.1:1/", secret)
	w.open(githubsim.PullOptions{})
	w.flush()
	for _, d := range w.app.Deliveries()[1:] {
		if d.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %d", d.Event, d.StatusCode)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.Intercept(func(githubsim.Delivery) githubsim.Fate { return githubsim.Lose })
	if err := w.Flush(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
