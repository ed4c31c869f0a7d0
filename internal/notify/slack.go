package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/fence"
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 16 << 20 // bytes; a page of history is the largest
	// Pages are followed that far; whoever is not found by then may be there nevertheless.
	pageSize     = 200
	maxPages     = 10
	channelsPage = 1000
)

// eventType names the metadata of our posts. It is looked for in old posts: it never changes.
const eventType = "changegate_announcement"

// posted is where an announcement is. It is stored: members may be added, not renamed.
type posted struct {
	Channel string `json:"channel"` // its id
	TS      string `json:"ts"`
	Thread  string `json:"thread,omitempty"` // the ts of the post that it replies to
}

// newClient returns the client that all calls go through. It does not follow redirects, which would carry the token to another host.
func newClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = http.DefaultTransport
	}
	return &http.Client{
		Transport:     bounded{t},
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts off answers that are too long, which then make no sense.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// isID recognises a channel's id, which is no name: names have small letters.
var isID = regexp.MustCompile(`^[CGD][A-Z0-9]{5,}$`).MatchString

// target returns a channel as Slack takes it, an id or a name with a #, or why it can be none.
func target(channel string) (string, *trouble) {
	name, ok := strings.CutPrefix(channel, "slack:")
	if !ok {
		return "", &trouble{cause: errors.New("it is not a place to announce at"), mend: `write "slack:#engineering"`}
	}
	if isID(name) {
		return name, nil
	}
	return "#" + strings.TrimPrefix(name, "#"), nil
}

// blockID marks the first block of a post, by which it is recognised where Slack keeps the metadata to itself.
func blockID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "changegate-" + hex.EncodeToString(sum[:16])
}

// post posts an announcement, as a reply if a thread is given. A thread that is gone does not keep it from being posted.
func post(ctx context.Context, api *slack.Client, to string, thread posted, a change.Announcement) (posted, error) {
	if thread.TS != "" {
		p, err := postTo(ctx, api, thread.Channel, thread.TS, a)
		var answer slack.SlackErrorResponse
		if !errors.As(err, &answer) || answer.Err != "thread_not_found" && answer.Err != "cannot_reply_to_message" {
			return p, err
		}
		to = thread.Channel
	}
	return postTo(ctx, api, to, "", a)
}

func postTo(ctx context.Context, api *slack.Client, to, thread string, a change.Announcement) (posted, error) {
	if err := fence.Ask(ctx); err != nil {
		return posted{}, err
	}
	m := render(a, thread == "" && !a.Opens, blockID(a.Key))
	options := []slack.MsgOption{
		slack.MsgOptionText(m.fallback, false), slack.MsgOptionDisableMarkdown(), slack.MsgOptionBlocks(m.blocks...),
		slack.MsgOptionParse(false), slack.MsgOptionLinkNames(false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"key": a.Key}}),
	}
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
		if a.Broadcast {
			options = append(options, slack.MsgOptionBroadcast())
		}
	}
	channel, ts, sent, err := api.PostMessageWithResponseContext(ctx, to, options...)
	if err != nil {
		return posted{}, err
	}
	if channel == "" || ts == "" {
		return posted{}, fmt.Errorf("%w: it names no message", errNonsense)
	}
	at := posted{Channel: channel, TS: ts, Thread: sent.ThreadTimestamp}
	if sent.Timestamp == "" { // the answer shows no message, and so does not say that it was posted on its own
		at.Thread = thread
	}
	return at, nil
}

// errUnreadable says that a post cannot be looked for.
func errUnreadable(what string, err error) error {
	return fmt.Errorf("uncertain: %s: %w: %w", what, err, effect.ErrUncertain)
}

// find looks for an announcement that may have been posted, in the thread, if one is given, and in the channel. Its error is
// effect.ErrUncertain where Slack does not let it look.
func find(ctx context.Context, api *slack.Client, to string, thread posted, key string, since time.Time) (posted, bool, error) {
	id := thread.Channel
	if id == "" {
		var err error
		if id, err = channelID(ctx, api, to); err != nil {
			return posted{}, false, err
		}
	}
	if thread.TS != "" {
		p, found, err := findReply(ctx, api, id, thread.TS, key)
		if err != nil || found {
			return p, found, err
		}
	}
	params := &slack.GetConversationHistoryParameters{
		ChannelID: id, Oldest: fmt.Sprintf("%d.%06d", since.Unix(), since.Nanosecond()/1000), Inclusive: true, Limit: pageSize, IncludeAllMetadata: true,
	}
	for range maxPages {
		answer, err := api.GetConversationHistoryContext(ctx, params)
		if err == nil && !answer.Ok {
			err = fmt.Errorf("%w: it is no history", errNonsense)
		}
		if err != nil {
			return posted{}, false, unlessPassing("the channel's history cannot be read", err)
		}
		if p, found := recognise(answer.Messages, id, key); found {
			return p, true, nil
		}
		if params.Cursor = answer.ResponseMetaData.NextCursor; params.Cursor == "" {
			return posted{}, false, nil
		}
	}
	return posted{}, false, errUnreadable("the channel's history", errors.New("it is too long to be read"))
}

func findReply(ctx context.Context, api *slack.Client, id, thread, key string) (posted, bool, error) {
	params := &slack.GetConversationRepliesParameters{ChannelID: id, Timestamp: thread, Limit: pageSize, IncludeAllMetadata: true}
	for range maxPages {
		messages, _, next, err := api.GetConversationRepliesContext(ctx, params)
		var answer slack.SlackErrorResponse
		switch {
		case errors.As(err, &answer) && answer.Err == "thread_not_found":
			return posted{}, false, nil // it was posted on its own, or not at all
		case err == nil && len(messages) == 0:
			err = fmt.Errorf("%w: it is no thread", errNonsense) // the post that opened it would be there
		}
		if err != nil {
			return posted{}, false, unlessPassing("the thread cannot be read", err)
		}
		if p, found := recognise(messages, id, key); found {
			return p, true, nil
		}
		if params.Cursor = next; next == "" {
			return posted{}, false, nil
		}
	}
	return posted{}, false, errUnreadable("the thread", errors.New("it is too long to be read"))
}

func recognise(messages []slack.Message, channel, key string) (posted, bool) {
	for _, m := range messages {
		ours := m.Metadata.EventType == eventType && m.Metadata.EventPayload["key"] == key
		for _, b := range m.Blocks.BlockSet {
			ours = ours || b.ID() == blockID(key)
		}
		if ours {
			p := posted{Channel: channel, TS: m.Timestamp}
			if m.ThreadTimestamp != m.Timestamp {
				p.Thread = m.ThreadTimestamp
			}
			return p, true
		}
	}
	return posted{}, false
}

// channelID resolves a channel's name. A bot sees the public channels, and those private ones that it is in.
func channelID(ctx context.Context, api *slack.Client, to string) (string, error) {
	name, isName := strings.CutPrefix(to, "#")
	if !isName {
		return to, nil
	}
	params := &slack.GetConversationsParameters{Limit: channelsPage, ExcludeArchived: true, Types: []string{"public_channel", "private_channel"}}
	for range maxPages {
		channels, next, err := api.GetConversationsContext(ctx, params)
		var answer slack.SlackErrorResponse
		if errors.As(err, &answer) && answer.Err == "missing_scope" && len(params.Types) > 1 {
			params.Types = params.Types[:1]
			continue
		}
		if err != nil {
			return "", unlessPassing("the channel's id cannot be found", err)
		}
		for _, c := range channels {
			if c.Name == name {
				return c.ID, nil
			}
		}
		if params.Cursor = next; next == "" {
			break
		}
	}
	return "", errUnreadable("the channel's id cannot be found", errors.New("no channel of that name is listed"))
}

// unlessPassing makes an error of a look-up uncertain, unless it passes.
func unlessPassing(what string, err error) error {
	t := judge(err)
	if t.remedy == giveUp {
		return errUnreadable(what, t.cause)
	}
	return err
}
