// Package fence stops a write whose right to be made has expired. After a lease is checked, a call may still have to wait for a slot, for a
// rate limit or for a token, and the process may be suspended. So the check travels with the context, and GitHub's transport repeats it
// just before the bytes leave, when nothing is left to wait for.
//
// What was sent cannot be called back: a process that is suspended between the check and the bytes still writes.
package fence

import "context"

// Error says that something was not sent. It unwraps to why.
type Error struct{ Err error }

func (e *Error) Error() string { return "nothing was sent: " + e.Err.Error() }

// NothingHappened says that nothing was sent.
func (e *Error) NothingHappened() bool { return true }

// Unwrap returns why not.
func (e *Error) Unwrap() error { return e.Err }

type key struct{}

// With returns a context in which nothing is sent once may returns an error. May is called before each write, by many goroutines if they
// write.
func With(ctx context.Context, may func(context.Context) error) context.Context {
	return context.WithValue(ctx, key{}, may)
}

// Ask asks whether a write may be sent now. Its errors are *Error; with a context that has no fence it returns nil.
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
