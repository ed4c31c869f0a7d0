package webhook

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changegate/changegate/internal/change"
)

// lenient accepts what GitHub's JSON may hold and Go's strings may not: half a surrogate pair in someone's title becomes U+FFFD.
// Names that occur twice are not looked for, because that costs as much as the rest and the body is signed.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

var errNoObject = errors.New("not a JSON object")

// unmarshal reads a payload. Its errors say where and of which kind; they can quote a few characters of the body, no more.
func unmarshal(body []byte, payload any) error {
	if jsontext.Value(body).Kind() != '{' {
		return errNoObject
	}
	return json.Unmarshal(body, payload, lenient)
}

// describe writes into d what every event carries.
func (e *envelope) describe(d *change.Delivery) {
	d.Action = e.Action
	if e.Installation != nil {
		d.Installation = e.Installation.ID
	}
	d.Repository = e.Repository.value(d.Installation)
	d.RepositoryAt = e.Repository.changedAt()
	d.Sender = e.Sender.value()
}

// setPull makes the delivery that of one pull request, with its snapshot.
func setPull(d *change.Delivery, p *pullRequest) error {
	if p == nil {
		return errors.New("no pull_request")
	}
	if p.Head.SHA == "" || p.Base.Ref == "" {
		return errors.New("a pull_request without head or base")
	}
	if err := setKey(d, p.Number); err != nil {
		return err
	}
	pull := p.value()
	// The base is in the repository that the event is about, even where the payload has none for it.
	pull.Base.Repository, pull.Base.Owner = d.Repository.ID, d.Repository.Owner
	d.Pull = &pull
	return nil
}

// setKey makes the delivery that of one pull request.
func setKey(d *change.Delivery, number change.Number) error {
	if d.Repository.ID == 0 || number <= 0 {
		return errors.New("no repository or no number of a pull request")
	}
	d.Key = change.PullKey{Repository: d.Repository.ID, Number: number}
	return nil
}

// setBase makes the delivery that of all open pull requests into a branch.
func setBase(d *change.Delivery, name string, concerns change.Concern) error {
	if d.Repository.ID == 0 || name == "" {
		return errors.New("no repository or no branch")
	}
	d.Base, d.Concerns = name, concerns
	return nil
}

// setHead makes the delivery that of all open pull requests with a head.
func setHead(d *change.Delivery, head change.SHA, concerns change.Concern) error {
	if d.Repository.ID == 0 || head == "" {
		return errors.New("no repository or no commit")
	}
	d.Head, d.Concerns = head, concerns
	return nil
}

// setOwnCheck reads an event of a check run of ours. Most are the echo of our own writing; a button that someone pressed is not.
func setOwnCheck(d *change.Delivery, head change.SHA) error {
	switch d.Action {
	case "rerequested", "requested_action":
		if err := setHead(d, head, change.ConcernVerify|change.ConcernAgain); err != nil {
			return err
		}
		raise(d, change.ErrandGroup, string(head), note(d, change.GroupNote{Again: true})) // should the commit be a merge group's
	}
	return nil
}

// shorten cuts what a stranger sent to a length that a log line or an answer can carry.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:cut], len(s))
}
