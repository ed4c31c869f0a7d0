package github

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// HookDelivery is an attempt to deliver a webhook, as the App's log has it.
type HookDelivery struct {
	ID            int64  // of the attempt
	GUID          string // of the delivery: the same for every attempt at it
	Event, Action string
	Installation  change.InstallationID // 0: it was for none
	StatusCode    int                   // what we answered; 0: nothing yet
	At            time.Time
}

// HookDeliveries reads a page of the App's log of deliveries, the newest first, as far back as GitHub keeps it: three days, seven on GitHub
// Enterprise Server (apps/list-webhook-deliveries). An empty cursor asks for the first page; next asks for the one after, and is empty after the
// last. A GitHub that has no such log, or not for us, is a *NotFound or *Forbidden; a cursor that it does not take is *Rejected.
//
// It is the App that asks, so that neither call nor limit is an installation's.
func (g *GitHub) HookDeliveries(ctx context.Context, cursor string) (page []HookDelivery, next string, err error) {
	defer wrap(&err, "reading the log of deliveries")
	query := url.Values{"per_page": {itoa(perPage)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var listed []*github.HookDelivery
	resp, err := g.readAsApp(ctx, listHooked.general().with(query), &listed)
	if err != nil {
		return nil, "", err
	}
	for _, d := range present(listed) {
		if d.GetGUID() == "" || d.GetID() == 0 || d.DeliveredAt == nil {
			return nil, "", unreadable(errors.New("GitHub's answer has a delivery without a GUID, an id or a time"), false)
		}
		page = append(page, HookDelivery{
			ID: d.GetID(), GUID: d.GetGUID(), Event: d.GetEvent(), Action: d.GetAction(), Installation: change.InstallationID(d.GetInstallationID()),
			StatusCode: d.GetStatusCode(), At: d.GetDeliveredAt().UTC(),
		})
	}
	return page, resp.Cursor, nil
}

// Redeliver has GitHub deliver again what an attempt was to deliver (apps/redeliver-webhook-delivery). It comes with the GUID that it had, as an
// attempt of its own, soon after. One that is too old is *NotFound or *Rejected. Doing it twice delivers it twice, which does no harm.
func (g *GitHub) Redeliver(ctx context.Context, attempt int64) (err error) {
	defer wrap(&err, "asking for delivery %d again", attempt)
	resp, err := g.asApp(ctx, redeliver.general(itoa(attempt)))
	defer done(resp)
	var unavailable *Unavailable
	if errors.As(err, &unavailable) && unavailable.Status == http.StatusAccepted {
		return nil // as it should be
	}
	return err
}

// readAsApp is asApp, with the answer read into v.
func (g *GitHub) readAsApp(ctx context.Context, to address, v any) (*github.Response, error) {
	resp, err := g.asApp(ctx, to)
	defer done(resp)
	if err != nil {
		return nil, err
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return nil, unreadable(err, false)
	}
	return resp, nil
}

// asApp makes a call that the App itself makes, with its key and not with an installation's token.
func (g *GitHub) asApp(ctx context.Context, to address) (*github.Response, error) {
	conn, err := g.asItself(g.itself)
	if err != nil {
		return nil, &Unavailable{Err: err}
	}
	req, err := conn.NewRequest(to.route.method(), to.String(), nil)
	if err != nil {
		return nil, err
	}
	sending := &sending{route: to.route}
	resp, err := conn.BareDo(withSending(ctx, sending), req)
	if err != nil {
		return nil, classify(err, sending.sent && to.route.writes())
	}
	return resp, nil
}
