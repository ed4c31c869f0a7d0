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

// Interrupt stops a queue as Stop does when its runs do not end by themselves.
func Interrupt(ctx context.Context, q *Queue) {
	type interrupter interface{ StopAndCancel(context.Context) error }
	if err := interrupter(q.engine.(*sqliteEngine).client).StopAndCancel(ctx); err != nil {
		panic(err)
	}
}
