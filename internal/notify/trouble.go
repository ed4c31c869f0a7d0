package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/slack-go/slack"
)

const (
	// patience is for how long is tried again what somebody may mend.
	patience = 24 * time.Hour
	// seldom is how often it is tried.
	seldom = 10 * time.Minute
	// soon is when Slack is tried again after it did not answer, or said that it is at fault.
	soon = 30 * time.Second
	// longest is what we wait at most because Slack says so.
	longest = time.Hour
)

// elsewhere is what to do where something else than Slack answers.
const elsewhere = "see that slack.api_url is Slack's, and what stands in between"

// trouble is why something was not done at Slack, or is not known to have been done.
type trouble struct {
	cause error
	mend  string // what an operator should do; empty: nothing
	// The zero remedy gives up.
	remedy remedy
	after  time.Duration // when to try again
	// refused says that nothing was done, for certain.
	refused bool
	// everywhere says that it is the same in every channel.
	everywhere bool
}

// NothingHappened says that Slack did nothing, for certain.
func (t *trouble) NothingHappened() bool { return t.refused }

type remedy int

const (
	giveUp remedy = iota
	untilMended
	untilBack
)

func (t *trouble) Error() string {
	if t.mend == "" {
		return t.cause.Error()
	}
	return t.cause.Error() + ": " + t.mend
}

func (t *trouble) Unwrap() error { return t.cause }

// mends says what an operator should do about Slack's codes of what will not mend by itself.
func mends(code string) (mend string, ok bool) {
	const (
		scope  = "add the scope chat:write to the Slack app and install it again"
		invite = "invite the app to the channel, or give it the scope chat:write.public where the channel is public"
		ours   = "the message was not as Slack wants it; report it as a bug"
	)
	switch code {
	case "channel_not_found":
		return "create the channel, correct its name in the policy, or, where it is private, invite the app to it", true
	case "not_in_channel":
		return invite, true
	case "is_archived":
		return "unarchive the channel, or name another in the policy", true
	case "missing_scope", "no_permission", "not_allowed_token_type":
		return scope, true
	case "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
		"restricted_action_thread_locked":
		return "let the app post to the channel, in the channel's or the workspace's settings", true
	case "ekm_access_denied":
		return "the workspace's key management forbids it; ask its administrator", true
	case "msg_too_long", "no_text", "too_many_attachments", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long",
		"invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "metadata_must_be_sent_from_app", "invalid_arguments":
		return ours, true
	}
	return "", false
}

// errNonsense says that an answer came and is not one of Slack's.
var errNonsense = errors.New("the answer of Slack makes no sense")

// judge says what an error of a call to Slack means.
func judge(err error) *trouble {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var answer slack.SlackErrorResponse
	var wrongType *json.UnmarshalTypeError
	var noJSON *json.SyntaxError
	var operation *net.OpError
	switch {
	case errors.As(err, &limited):
		return &trouble{cause: err, remedy: untilBack, after: min(max(limited.RetryAfter, time.Second), longest), refused: true}
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		return &trouble{cause: err, remedy: untilBack, after: time.Minute, refused: true}
	case errors.As(err, &status) && status.Code < http.StatusInternalServerError:
		return &trouble{cause: err, mend: elsewhere, remedy: untilMended, after: seldom, refused: true}
	case errors.As(err, &answer):
		return judgeCode(answer)
	case errors.Is(err, errNonsense):
		return &trouble{cause: err, mend: elsewhere, remedy: untilMended, after: seldom}
	case errors.As(err, &wrongType), errors.As(err, &noJSON):
		return &trouble{cause: fmt.Errorf("%w: %w", errNonsense, err), mend: elsewhere, remedy: untilMended, after: seldom}
	case errors.As(err, &operation) && operation.Op == "dial":
		return &trouble{cause: err, remedy: untilBack, after: soon, refused: true, everywhere: true}
	default: // 5xx, a timeout, an answer that was cut off
		return &trouble{cause: err, remedy: untilBack, after: soon, everywhere: true}
	}
}

func judgeCode(answer slack.SlackErrorResponse) *trouble {
	t := &trouble{cause: answer, refused: true}
	if answer.Needed != "" {
		t.cause = fmt.Errorf("%w (it needs the scope %s)", answer, answer.Needed)
	}
	switch answer.Err {
	case "fatal_error", "internal_error", "service_unavailable", "request_timeout":
		// Slack says of these that it may have been done in part.
		t.remedy, t.after, t.refused = untilBack, soon, false
		return t
	case "ratelimited", "rate_limited", "team_added_to_org":
		t.remedy, t.after = untilBack, time.Minute
		return t
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "access_denied", "team_access_not_granted":
		t.mend = "install the Slack app again and set slack.token to its new token"
		t.remedy, t.after = untilMended, seldom
		return t
	}
	var ok bool
	if t.mend, ok = mends(answer.Err); !ok {
		t.remedy, t.after = untilMended, seldom
	}
	return t
}
