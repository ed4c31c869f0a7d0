// Package fence keeps a write from being sent by whoever may not write any more. Between the moment in which that is looked up and the one
// in which the bytes leave, a call waits: for its turn, for what is left of a rate limit, for a token; and a process may be stopped and go on a
// minute later. So the question goes along with the context, and whoever sends asks it when nothing is left to wait for.
//
// What was sent cannot be called back. A process that is stopped between its question and its bytes still writes.
package fence

import "context"

// Error says that something was not sent. It unwraps to why.
type Error struct{ Err error }

func (e *Error) Error() string { return "nothing was sent: " + e.Err.Error() }

// NothingHappened says that nothing was sent.
func (e *Error) NothingHappened() bool { return true }

// Unwrap returns what the question was answered with.
func (e *Error) Unwrap() error { return e.Err }

type key struct{}

// With returns a context in which nothing is written once may returns an error. May is asked before each write, by many goroutines
// if they write.
func With(ctx context.Context, may func(context.Context) error) context.Context {
	return context.WithValue(ctx, key{}, may)
}

// Ask asks whether a write may be sent now. Its errors are *Error; a context without a fence lets all through.
func Ask(ctx context.Context) error {
	may, ok := ctx.Value(key{}).(func(context.Context) error)
	if !ok {
		return nil
	}
	if err := may(ctx); err != nil {
		return &Error{err}
	}
	return nil
}
