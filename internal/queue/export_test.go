package queue

import "context"

// WaitFor returns when a condition holds that the end of a run makes true.
func WaitFor(ctx context.Context, q *Queue, condition func() bool) error {
	for {
		changed := q.ends()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
