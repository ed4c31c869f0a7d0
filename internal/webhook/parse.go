package webhook

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changegate/changegate/internal/change"
)

// everything is what is read again when nothing that is held can be trusted.
const everything = change.ConcernPull | change.ConcernTimeline | change.ConcernContent | change.ConcernChecks | change.ConcernPeople

// Parse translates a payload into what it means to us. Received is the time of arrival; app is our own App, whose check runs come
// back as events and concern nobody.
//
// The error says that the body is not JSON, or lacks what its event must have. Events and actions that are unknown or that cannot
// change a decision are no error: they concern nobody. What depends on fields that GitHub may leave null (a deleted account, a
// fork that is gone) is left at its zero value, which every reader takes as nobody known.
//
// Parse is a pure function and keeps no part of body.
func Parse(event, deliveryID string, body []byte, received time.Time, app change.AppID) (change.Delivery, error) {
	d := change.Delivery{ID: deliveryID, Event: event, ReceivedAt: received}
	read, known := readers[event]
	if !known {
		read = readOther
	}
	if err := read(&d, body, app); err != nil {
		return change.Delivery{}, fmt.Errorf("read the payload of %q: %w", shorten(event), err)
	}
	return d, nil
}

// reader writes what a payload means to us into a delivery that has its ID, its event and its arrival already.
type reader func(d *change.Delivery, body []byte, ours change.AppID) error

// event points to what is read of an event's body: an envelope, or a struct that embeds one.
type event[E any] interface {
	*E
	describe(*change.Delivery)
}

// reading returns the reader of an event whose body is an E. When read is called, the delivery has what every event carries.
func reading[E any, P event[E]](read func(*change.Delivery, P) error) reader {
	return readingOurs(func(d *change.Delivery, e P, _ change.AppID) error { return read(d, e) })
}

// readingOurs is reading for an event that our own App may have caused.
func readingOurs[E any, P event[E]](read func(_ *change.Delivery, _ P, ours change.AppID) error) reader {
	return func(d *change.Delivery, body []byte, ours change.AppID) error {
		e := P(new(E))
		if err := unmarshal(body, e); err != nil {
			return err
		}
		e.describe(d)
		return read(d, e, ours)
	}
}

// readers has a reader for each event that can concern a pull request or an errand, or the repositories that they may be in.
//
// What is missing here concerns nobody, on purpose. Comments on lines and review threads are no opinion. Membership and
// organization events name no repository, and whoever's membership matters is asked for anew when a decision needs it: no answer
// older than 60 seconds makes a check green. Creating or deleting a branch comes as a push too.
var readers = map[string]reader{
	"pull_request":                    reading(readPullRequest),
	"pull_request_review":             reading(readReview),
	"issue_comment":                   reading(readComment),
	"issues":                          reading(readIssue),
	"label":                           reading(readLabel),
	"push":                            reading(readPush),
	"merge_group":                     reading(readMergeGroup),
	"check_run":                       readingOurs(readCheckRun),
	"check_suite":                     readingOurs(readCheckSuite),
	"workflow_run":                    reading(readWorkflowRun),
	"status":                          reading(readStatus),
	"deployment":                      reading(readDeployment),
	"deployment_status":               reading(readDeploymentStatus),
	"deployment_protection_rule":      reading(readProtectionRule),
	"member":                          reading(readPeople),
	"team":                            reading(readPeople),
	"repository":                      reading(readRepository),
	"repository_ruleset":              reading(readProtection),
	"branch_protection_rule":          reading(readProtection),
	"branch_protection_configuration": reading(readProtection),
	"installation":                    reading(readInstallation),
	"installation_repositories":       reading(readInstallation),
}

// Reads says whether deliveries of an event can concern anybody.
func Reads(event string) bool { return readers[event] != nil }

func readPullRequest(d *change.Delivery, e *pullRequestEvent) error {
	if err := setPull(d, e.PullRequest); err != nil {
		return err
	}
	d.Concerns = pullRequestConcerns(e.Action, e.Changes)

	switch e.Action {
	case "opened":
		d.Push = &change.Push{After: d.Pull.Head.SHA, By: d.Sender, At: d.Pull.CreatedAt}
		d.Description = &change.Description{Body: d.Pull.Body, By: d.Sender, At: d.Pull.CreatedAt}
	case "edited":
		if was := e.Changes.Body; was != nil {
			d.Description = &change.Description{Body: d.Pull.Body, By: d.Sender, At: d.Pull.UpdatedAt, Was: &was.From}
		}
	case "synchronize":
		if e.Before == "" || e.After == "" {
			return errors.New("a push without before and after")
		}
		d.Push = &change.Push{Before: e.Before, After: e.After, By: d.Sender, At: d.Pull.UpdatedAt}
	case "labeled", "unlabeled":
		// A label that was deleted meanwhile has no name here; the timeline is read all the same.
		if e.Label != nil && e.Label.Name != "" {
			d.Label = &change.LabelEvent{
				Label: e.Label.Name,
				Added: e.Action == "labeled",
				By:    d.Sender,
				At:    d.Pull.UpdatedAt,
				Head:  d.Pull.Head.SHA,
				Into:  d.Pull.Base.Name,
				Base:  d.Pull.Base.SHA,
			}
		}
	case "closed":
		raiseLanded(d)
	}
	return nil
}

// pullRequestConcerns says what an action may have changed.
func pullRequestConcerns(action string, was previously) change.Concern {
	switch action {
	case "opened":
		// Nothing is held yet, and a head that another pull request has may carry checks already.
		return change.ConcernPull | change.ConcernTimeline | change.ConcernContent | change.ConcernChecks
	case "reopened":
		// While it was closed few of its events concerned us, and its branch may have moved without a synchronize event. That is why
		// whoever reopens it is not taken for the pusher: a head that no push accounts for is found, and blocks.
		return change.ConcernPull | change.ConcernTimeline | change.ConcernContent | change.ConcernChecks
	case "synchronize":
		// A new head has other content, which is another comparison whatever is held, and other checks. Its base is where it was: a push
		// to that tells of itself. Reviews that GitHub dismisses because of it come as events of their own.
		return change.ConcernPull | change.ConcernChecks
	case "edited":
		if was.Base != nil {
			return change.ConcernPull | change.ConcernContent // another base: another comparison, another policy
		}
		return change.ConcernPull // the change record is in the description
	case "labeled", "unlabeled":
		return change.ConcernPull | change.ConcernTimeline // the label, and who set it
	case "closed", "converted_to_draft", "ready_for_review":
		return change.ConcernPull
	default:
		// Assignees, milestones, locks, auto-merge and requested reviewers are no part of a decision (our own requests come back
		// here); actions that are unknown today are seen and not acted upon.
		return 0
	}
}

func readReview(d *change.Delivery, e *reviewEvent) error {
	if err := setPull(d, e.PullRequest); err != nil {
		return err
	}
	if e.Review == nil || e.Review.ID == 0 {
		return errors.New("no review")
	}
	d.Review = &change.Review{
		ID:    e.Review.ID,
		By:    e.Review.User.value(),
		State: change.ReviewState(strings.ToUpper(e.Review.State)),
		SHA:   e.Review.CommitID,
		At:    e.Review.SubmittedAt,
		Into:  d.Pull.Base.Name,
		Base:  d.Pull.Base.SHA,
	}
	switch e.Action {
	case "submitted":
		if d.Review.State == change.Commented {
			return nil // no opinion, and it takes none back
		}
		d.Concerns = change.ConcernTimeline
	case "dismissed":
		d.Review.State = change.Dismissed
		d.Review.DismissedBy, d.Review.DismissedAt = d.Sender, d.Pull.UpdatedAt
		d.Concerns = change.ConcernTimeline
	case "edited":
		// Its words changed; its state cannot.
	}
	return nil
}

func readComment(d *change.Delivery, e *commentEvent) error {
	switch {
	case e.Issue == nil || e.Comment == nil:
		return errors.New("no issue or no comment")
	case e.Issue.PullRequest == nil:
		if err := setIssue(d, e.Issue.Number); err != nil {
			return err
		}
		d.Command = e.command(d)
		return nil
	}
	if err := setKey(d, e.Issue.Number); err != nil {
		return err
	}
	if d.Command = e.command(d); d.Command != nil {
		d.Concerns = change.ConcernVerify
	}
	return nil
}

// command returns what the comment commands, about the pull request or issue that it is on; nil if it does not.
func (e *commentEvent) command(d *change.Delivery) *change.Command {
	by := e.Comment.User.value()
	switch {
	case e.Action != "created" || !isCommand(e.Comment.Body):
		return nil // an edit could put words into the mouth of whoever wrote it first
	case e.Comment.App != nil || by.Kind != change.KindUser || by.ID != d.Sender.ID:
		return nil // only a person commands, and only by a comment of their own
	}
	on := change.PullKey{Repository: d.Repository.ID, Number: e.Issue.Number}
	return &change.Command{Comment: e.Comment.ID, Pull: on, By: by, Body: e.Comment.Body, At: e.Comment.CreatedAt}
}

// commandForm is a comment that starts with the word /change; "/changelog" is another word. In capitals or after a space it is no command, and
// whoever wrote it must hear that. What is quoted, or indented so far that it is shown as code, was not meant as one.
var commandForm = regexp.MustCompile(`^(?:[ \t]*\r?\n)* {0,3}(?i:/change)(?:[ \t\r\n]|$)`)

func isCommand(comment string) bool { return commandForm.MatchString(comment) }

func readLabel(d *change.Delivery, e *labelEvent) error {
	// GitHub sends one event for the label and none for the pull requests that carry it. A label that was created is on none, and
	// its colour and description mean nothing.
	if e.Action == "deleted" || e.Action == "edited" && e.Changes.Name != nil {
		return setBase(d, "*", change.ConcernPull|change.ConcernTimeline)
	}
	return nil
}

func readPush(d *change.Delivery, e *pushEvent) error {
	name, ok := strings.CutPrefix(e.Ref, "refs/heads/")
	if !ok {
		return nil // a tag
	}
	if isQueue(name) {
		return nil
	}
	// The comparison and the policy rest on the base's tip. Pushes to a head come as synchronize, but for those from before a pull request
	// was opened from the branch.
	if err := setBase(d, name, change.ConcernContent); err != nil {
		return err
	}
	d.Floor = change.HoldsOwnerPolicy(d.Repository.Name) && name == d.Repository.DefaultBranch
	push := e.branchPush(name, d.Sender)
	d.Arrival = e.arrival(push, d.ReceivedAt)
	raise(d, change.ErrandBranch, name, note(d, push))
	return nil
}

func readCheckRun(d *change.Delivery, e *checkRunEvent, ours change.AppID) error {
	if e.CheckRun == nil {
		return errors.New("no check_run")
	}
	run := e.CheckRun
	by := run.App
	if by == nil {
		by = run.CheckSuite.App
	}
	if by != nil && by.ID == ours {
		return setOwnCheck(d, run.HeadSHA)
	}
	check := change.Check{
		Name:    run.Name,
		State:   change.RunState(run.Status, run.Conclusion),
		Suite:   run.CheckSuite.ID,
		RunID:   run.ID,
		URL:     run.HTMLURL,
		Started: run.StartedAt,
		At:      run.CompletedAt,
	}
	if check.At.IsZero() {
		check.At = run.StartedAt
	}
	if by != nil {
		check.App, check.AppID = by.Slug, by.ID
	}
	d.Check = &check
	return setHead(d, run.HeadSHA, change.ConcernChecks)
}

func readCheckSuite(d *change.Delivery, e *checkSuiteEvent, ours change.AppID) error {
	switch {
	case e.CheckSuite == nil:
		return errors.New("no check_suite")
	case e.CheckSuite.App != nil && e.CheckSuite.App.ID == ours:
		return setOwnCheck(d, e.CheckSuite.HeadSHA)
	case e.Action == "requested":
		return nil // it has no runs yet
	}
	return setHead(d, e.CheckSuite.HeadSHA, change.ConcernChecks)
}

func readWorkflowRun(d *change.Delivery, e *workflowRunEvent) error {
	switch {
	case e.WorkflowRun == nil:
		return errors.New("no workflow_run")
	case e.Action != "completed":
		return nil // its jobs tell of themselves as check runs
	}
	e.raiseRun(d)
	return setHead(d, e.WorkflowRun.HeadSHA, change.ConcernChecks)
}

func readStatus(d *change.Delivery, e *statusEvent) error {
	d.Check = &change.Check{
		Name:    e.Context,
		State:   change.StatusState(e.State),
		Status:  true,
		Creator: d.Sender,
		RunID:   e.ID,
		URL:     e.TargetURL,
		At:      e.UpdatedAt,
	}
	return setHead(d, e.SHA, change.ConcernChecks)
}

// readPeople reads events that change who may do what in one repository.
func readPeople(d *change.Delivery, _ *envelope) error {
	if d.Repository.ID == 0 {
		return nil // a team that was created, renamed or deleted concerns no one repository
	}
	return setBase(d, "*", change.ConcernPeople)
}

func readRepository(d *change.Delivery, e *repositoryEvent) error {
	if d.Repository.ID == 0 {
		return errors.New("no repository")
	}
	was := d.Repository.Name
	if r := e.Changes.Repository; r != nil && r.Name != nil {
		was = r.Name.From
	}
	d.Floor = change.HoldsOwnerPolicy(d.Repository.Name) || change.HoldsOwnerPolicy(was)
	switch e.Action {
	case "deleted", "transferred", "archived":
		// An archived repository takes no check runs, and a transfer ends what was decided for the former owner.
		d.Gone = true
		return nil
	case "unarchived":
		return setBase(d, "*", everything|change.ConcernVerify)
	case "privatized", "publicized":
		return setBase(d, "*", change.ConcernPeople) // who may read it
	case "renamed":
		return setBase(d, "*", change.ConcernPull) // the same pull requests under another address
	case "edited":
		if e.Changes.DefaultBranch != nil {
			return setBase(d, "*", change.ConcernPull|change.ConcernContent) // another branch is governed, by another policy
		}
	}
	return nil
}

func readInstallation(d *change.Delivery, e *installationEvent) error {
	if d.Installation == 0 {
		return errors.New("no installation")
	}
	added, removed := e.RepositoriesAdded, e.RepositoriesRemoved
	if d.Event == "installation" {
		switch e.Action {
		case "created", "unsuspend":
			added = e.Repositories
		case "deleted", "suspend":
			d.Gone = true
		}
	}
	for i := range added {
		r := added[i].value(d.Installation)
		if e.Installation.Account != nil {
			r.OwnerIsUser = e.Installation.Account.Type == "User"
		}
		d.Added = append(d.Added, r)
		d.Floor = d.Floor || change.HoldsOwnerPolicy(r.Name)
	}
	for i := range removed {
		d.Floor = d.Floor || change.HoldsOwnerPolicy(removed[i].Name)
		d.Removed = append(d.Removed, removed[i].ID)
	}
	return nil
}

// readOther notes an event that concerns nobody. Whatever shape it has is fine, if only it is a JSON object.
func readOther(d *change.Delivery, body []byte, _ change.AppID) error {
	var e envelope
	err := unmarshal(body, &e)
	var shape *json.SemanticError
	if errors.As(err, &shape) && jsontext.Value(body).IsValid(lenient) && jsontext.Value(body).Kind() == '{' {
		return nil
	}
	if err != nil {
		return err
	}
	e.describe(d)
	return nil
}
