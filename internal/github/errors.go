package github

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/fence"
)

// RateLimited says that GitHub limits the installation, or would soon. No such call is made until the limit ends.
type RateLimited struct {
	Until     time.Time // by the server's clock
	Secondary bool      // not the hourly budget but one of GitHub's limits on bursts
	Kept      bool      // GitHub has refused nothing: what is left is kept for more urgent calls
}

// NothingHappened says that what was limited was not done.
func (e *RateLimited) NothingHappened() bool { return true }

// Error implements error.
func (e *RateLimited) Error() string {
	kind := "rate limit"
	if e.Secondary {
		kind = "secondary rate limit"
	}
	if e.Kept {
		return fmt.Sprintf("what is left of GitHub's %s is kept for more urgent calls until %s", kind, e.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("GitHub's %s holds until %s", kind, e.Until.UTC().Format(time.RFC3339))
}

// Unavailable says that GitHub could not be reached, did not answer in time, or answered with nonsense.
type Unavailable struct {
	Status int // 0: there was no answer
	Err    error
	// MayHaveHappened says that a write was sent and its outcome is not known: look before doing it again.
	MayHaveHappened bool
}

// NothingHappened says that what failed was not done: no write was sent.
func (e *Unavailable) NothingHappened() bool { return !e.MayHaveHappened }

// Error implements error.
func (e *Unavailable) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("GitHub answered %d", e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// NotFound says that what was asked for does not exist, or is not shown to the App; GitHub does not tell these apart.
type NotFound struct {
	Message string
	// Call is what GitHub answered so; empty: none.
	Call string
	// Gone says of a write that GitHub is sure: what it is about is there no more, or is turned off (410).
	Gone bool
}

// NothingHappened says that what was not found was not changed.
func (e *NotFound) NothingHappened() bool { return true }

// MayPass says that a 404 may be a mistake of GitHub's, which finds it again a little later.
func (e *NotFound) MayPass() bool { return !e.Gone }

// Error implements error.
func (e *NotFound) Error() string {
	if e.Call != "" {
		return "not found on GitHub: " + e.Message + " (" + e.Call + ")"
	}
	return "not found on GitHub: " + e.Message
}

// Lacking is a NotFound from a GitHub that was never seen to have what was asked for, of whatever: it may have no such call.
type Lacking struct{ Err error }

// Error implements error.
func (e *Lacking) Error() string { return e.Err.Error() }

// Unwrap returns the NotFound.
func (e *Lacking) Unwrap() error { return e.Err }

// Forbidden says that the App may not do this.
type Forbidden struct {
	Message string
	// Needs are the App permissions that would do, as GitHub names them ("members=read"); empty: GitHub did not say.
	Needs string
}

// Error implements error.
func (e *Forbidden) Error() string {
	if e.Needs != "" {
		return fmt.Sprintf("GitHub refused: %s (the App needs %s)", e.Message, e.Needs)
	}
	return "GitHub refused: " + e.Message
}

// Unauthorized says that GitHub does not accept the App's credentials: a wrong key, a deleted App, or clocks that differ by
// more than a minute.
type Unauthorized struct{ Message string }

// Error implements error.
func (e *Unauthorized) Error() string {
	return "GitHub does not accept the App's credentials (check the App's id, its private key and the server's clock): " + e.Message
}

// Suspended says that the installation was suspended; nothing can be read or written until it is unsuspended.
type Suspended struct{}

// Error implements error.
func (*Suspended) Error() string { return "the App's installation is suspended" }

// Rejected says that GitHub understood the request and will not do it; repeating it does not help.
type Rejected struct {
	Status  int
	Message string
}

// Error implements error.
func (e *Rejected) Error() string { return fmt.Sprintf("GitHub answered %d: %s", e.Status, e.Message) }

// IsRefusal says whether GitHub understood a request and will not do it, now or later, as far as it says: a *Rejected, a *Forbidden or a
// *NotFound.
func IsRefusal(err error) bool {
	var rejected *Rejected
	var forbidden *Forbidden
	var missing *NotFound
	return errors.As(err, &rejected) || errors.As(err, &forbidden) || errors.As(err, &missing)
}

// NoGraphQL says that GitHub does not tell by GraphQL what no other part of its API tells: it has no such field, does not show it to this App, or the
// configuration names no GraphQL API. Asking again does not help.
type NoGraphQL struct{ Message string }

// Error implements error.
func (e *NoGraphQL) Error() string { return "not told by GitHub's GraphQL API: " + e.Message }

// GateClosed says that GitHub takes no answer for a gate: it was answered, its run ended or was run anew, or no such environment waits in it.
// GitHub does not tell these apart; repeating the answer does not help. It unwraps to the *Rejected or *NotFound that GitHub gave.
type GateClosed struct{ Err error }

// Error implements error.
func (e *GateClosed) Error() string {
	return "GitHub takes no answer for the gate any more: " + e.Err.Error()
}

// Unwrap returns what GitHub answered.
func (e *GateClosed) Unwrap() error { return e.Err }

// BadCallback says that an address is not one that a gate of the repository is answered at. It was not called, and never will be.
type BadCallback struct{ Why string }

// Error implements error.
func (e *BadCallback) Error() string {
	return "the callback is not a gate's of this repository: " + e.Why
}

// AlreadyCompleted says that a check run is completed and cannot be anything else any more. To take its conclusion back, create
// another run.
type AlreadyCompleted struct{ Run CheckRun }

// Error implements error.
func (e *AlreadyCompleted) Error() string {
	return fmt.Sprintf("check run %d is completed (%s) and stays so: a new one is needed", e.Run.ID, e.Run.Conclusion)
}

// retryAfter is how long to wait after an error that says nothing of time.
const retryAfter = 30 * time.Second

// Temporary says whether the error is about GitHub, the network or the App and not about what was asked for, so that the same call may
// succeed later and the decision is only delayed.
func Temporary(err error) bool {
	var limited *RateLimited
	var unavailable *Unavailable
	var unauthorized *Unauthorized
	var suspended *Suspended
	return errors.As(err, &limited) || errors.As(err, &unavailable) || errors.As(err, &unauthorized) || errors.As(err, &suspended)
}

// RetryAt returns when a call that failed with err is worth repeating: the end of a rate limit, else half a minute from now.
func RetryAt(err error, now time.Time) time.Time {
	var limited *RateLimited
	if errors.As(err, &limited) && limited.Until.After(now) {
		return limited.Until
	}
	return now.Add(retryAfter)
}

// classify turns what go-github and its transports return into this package's errors. Wrote says that the request changes something and
// was sent.
func classify(err error, wrote bool) error {
	if err == nil {
		return nil
	}
	var limited *RateLimited
	if errors.As(err, &limited) {
		return limited
	}
	var fenced *fence.Error
	if errors.As(err, &fenced) {
		return fenced
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		return &Unavailable{Err: refused}
	}
	var answer *github.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		return answerError(answer, wrote)
	}
	var twoFactor *github.TwoFactorAuthError
	if errors.As(err, &twoFactor) {
		return &Unauthorized{Message: twoFactor.Message}
	}
	var accepted *github.AcceptedError
	if errors.As(err, &accepted) {
		return &Unavailable{Status: http.StatusAccepted, Err: errors.New("GitHub is still computing the answer"), MayHaveHappened: wrote}
	}
	return &Unavailable{Err: err, MayHaveHappened: wrote && !neverSent(err)}
}

// neverSent says whether the connection itself failed, so that nothing of the request can have reached GitHub.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func answerError(e *github.ErrorResponse, wrote bool) error {
	message := e.Message
	for _, detail := range e.Errors {
		if detail.Message != "" && !strings.Contains(message, detail.Message) {
			message += "; " + detail.Message
		} else if detail.Message == "" && detail.Code != "" {
			message += "; " + detail.Error()
		}
	}
	switch status := e.Response.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusNotFound && strings.HasPrefix(message, noApp):
		return &Unauthorized{Message: message}
	case status == http.StatusForbidden && strings.Contains(strings.ToLower(message), "suspended"):
		return &Suspended{}
	case status == http.StatusForbidden || status == http.StatusUnavailableForLegalReasons:
		return &Forbidden{Message: message, Needs: e.Response.Header.Get("X-Accepted-GitHub-Permissions")}
	case status == http.StatusNotFound || status == http.StatusGone:
		return &NotFound{Message: message, Call: callOf(e.Response), Gone: status == http.StatusGone}
	case status == http.StatusNotImplemented && wrote:
		return &Rejected{Status: status, Message: message}
	case status == http.StatusNotImplemented:
		// What a GitHub does not have at all is not there.
		return &NotFound{Message: cmp.Or(message, "there is no such call"), Call: callOf(e.Response)}
	case status >= 500 || status == http.StatusRequestTimeout || busy(status, message):
		return &Unavailable{Status: status, MayHaveHappened: wrote}
	case status >= 300 && status < 400:
		return &Unavailable{Status: status, Err: fmt.Errorf("GitHub redirected the request (%d): the repository may have moved", status)}
	default:
		return &Rejected{Status: status, Message: message}
	}
}

// callOf names the call that was answered, without its query.
func callOf(resp *http.Response) string {
	if resp.Request == nil || resp.Request.URL == nil {
		return ""
	}
	return resp.Request.Method + " " + resp.Request.URL.Path
}

// noApp is how GitHub answers an App whose id it does not know, whatever it asked for.
const noApp = "Integration not found"

// busy says whether a 422 is not about the request: GitHub could not compute a diff in time.
func busy(status int, message string) bool {
	message = strings.ToLower(message)
	return status == http.StatusUnprocessableEntity &&
		(strings.Contains(message, "server error") || strings.Contains(message, "not_available") || strings.Contains(message, "temporarily"))
}

// unreadable is the error of an answer that is not what the API promises.
func unreadable(err error, wrote bool) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) {
		err = fmt.Errorf("GitHub's answer cannot be read: %w", err)
	}
	return &Unavailable{Status: http.StatusOK, Err: err, MayHaveHappened: wrote}
}

// refusedError says that nothing was done because of where GitHub, or someone in between, sent the request to.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }
