// Package webhook is the intake: it turns GitHub's webhook deliveries into change.Delivery values and hands them to a Sink that
// makes them durable.
//
// A delivery is answered 202 after the Sink has committed it and never before, because GitHub does not send a failed delivery
// again by itself. Everything else is answered with a status that GitHub shows as a failure, with a sentence that says what to
// mend, so that an operator can read it in the App's settings and send the delivery again.
//
// Parse is the pure part: which event raises which concerns is decided there, and only there. Handler is the imperative part:
// signature, limits, commits in groups, answers.
package webhook

import (
	"context"

	"github.com/changegate/changegate/internal/change"
)

// Sink makes deliveries durable and enqueues what they ask for.
type Sink interface {
	// Deliver commits the deliveries in one transaction: when it returns nil all of them are durable, and when it returns an error
	// none of them is. They are in the order of their arrival, and one ID can be among them twice. A delivery whose ID was
	// processed before is no error. It is called by one goroutine at a time, with 1 to 200 deliveries, and must return when
	// the context ends.
	Deliver(ctx context.Context, deliveries []change.Delivery) error
}
