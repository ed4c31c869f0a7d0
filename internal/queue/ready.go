package queue

import "errors"

// Ready returns why no work is done, or nil while the queue runs.
func (q *Queue) Ready() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case !q.started:
		return errors.New("the queue has not started yet")
	case q.stopped:
		return errors.New("the queue has stopped")
	default:
		return nil
	}
}
