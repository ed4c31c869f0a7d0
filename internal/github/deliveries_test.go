package github

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

const logCall = "GET /app/hook/deliveries"

func TestTheLogOfDeliveriesIsReadPageByPage(t *testing.T) {
	f := newFake(t)
	g := f.github()
	const at = "2026-01-05T09:00:00Z"
	f.on(logCall, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			w.Header().Set("Link", `<`+f.server.URL+`/app/hook/deliveries?per_page=100&cursor=v1_9>; rel="next"`)
		}
		answerWith(200, []any{m{
			"id": 12, "guid": "0b98", "delivered_at": at, "redelivery": false, "duration": 0.1, "status": "OK", "status_code": 202,
			"event": "pull_request", "action": "opened", "installation_id": 5, "repository_id": nil,
		}, nil})(w, r)
	})
	page, next, err := g.HookDeliveries(t.Context(), "")
	if err != nil || len(page) != 1 {
		t.Fatal(page, err)
	}
	want := HookDelivery{12, "0b98", "pull_request", "opened", 5, 202, time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	equal(t, "delivery", page[0], want)
	equal(t, "cursor", next, "v1_9")
	_, next, err = g.HookDeliveries(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the last cursor", next, "")
	calls(t, f, logCall+"?cursor=v1_9&per_page=100", logCall+"?per_page=100")
	equal(t, "tokens", f.tokens, 0) // the App asks with its key

	f.json(logCall, 200, []any{m{"id": 12}})
	var unavailable *Unavailable
	if _, _, err := g.HookDeliveries(t.Context(), ""); !errors.As(err, &unavailable) {
		t.Errorf("a delivery without a GUID: %v", err)
	}
	f.on(logCall, refuse(404, "Not Found"))
	var missing *NotFound
	if _, _, err := g.HookDeliveries(t.Context(), ""); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestRedelivery(t *testing.T) {
	f := newFake(t)
	g := f.github()
	const call = "POST /app/hook/deliveries/12/attempts"
	f.json(call, 202, m{})
	if err := g.Redeliver(t.Context(), 12); err != nil {
		t.Errorf("accepted: %v", err)
	}
	calls(t, f, call)
	f.on(call, refuse(422, "Deliveries older than 3 days cannot be redelivered."))
	var rejected *Rejected
	if err := g.Redeliver(t.Context(), 12); !errors.As(err, &rejected) {
		t.Errorf("too old: %v", err)
	}
	// What the App is told of its own limit holds for itself and for no installation.
	f.on(call, refuse(429, "", "Retry-After", "60"))
	var limited *RateLimited
	if err := g.Redeliver(t.Context(), 12); !errors.As(err, &limited) {
		t.Errorf("limited: %v", err)
	}
	f.took()
	if err := g.Redeliver(t.Context(), 12); !errors.As(err, &limited) {
		t.Errorf("limited still: %v", err)
	}
	calls(t, f)
	equal(t, "to spare of the App", g.Spare(0), false)
	f.json(pullCall, 200, m{"number": 1})
	read(t, g.Installation(5), held)
}

func TestInstallationsAreReadPageByPage(t *testing.T) {
	f := newFake(t)
	g := f.github()
	const call = "GET /app/installations"
	f.pages(call, []any{
		[]any{m{"id": 5}, nil}, []any{m{"id": 6, "suspended_at": "2026-01-05T09:00:00Z"}, m{"id": 7}},
	}, true)
	list, err := g.Installations(t.Context())
	if want := []Installed{{ID: 5}, {ID: 6, Suspended: true}, {ID: 7}}; err != nil || !slices.Equal(list, want) {
		t.Errorf("got %v, %v, want %v", list, err, want)
	}
	equal(t, "tokens", f.tokens, 0) // the App asks with its key

	f.json(call, 200, []any{m{"account": m{}}})
	var unavailable *Unavailable
	if _, err := g.Installations(t.Context()); !errors.As(err, &unavailable) {
		t.Errorf("an installation without an id: %v", err)
	}
	f.on(call, refuse(404, "Not Found"))
	var missing *NotFound
	if _, err := g.Installations(t.Context()); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}
