package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/changegate/changegate/internal/change"
)

// IssueComment is a comment on an issue, or on a pull request's conversation.
type IssueComment struct {
	ID      int64
	By      change.Account
	Via     change.AppID // the App that it was written through, by a person or by the App itself; 0: none
	Body    string
	At      time.Time
	Updated time.Time // when it was last edited; At if it never was
}

// comment is an issue comment as GitHub gives it; go-github's type lacks the App.
type comment struct {
	github.IssueComment
	viaApp
}

// viaApp is the field of what was done through an App.
type viaApp struct {
	App struct {
		ID   change.AppID `json:"id"`
		Slug string       `json:"slug"`
	} `json:"performed_via_github_app"`
}

// isOurs says whether our App itself made what carries the field, and not a person who uses the App.
func (v viaApp) isOurs(c *Client, by *github.User) bool {
	return v.App.ID == c.github.AppID() && account(by).IsBot()
}

func (c *comment) value() IssueComment {
	return IssueComment{
		ID: c.GetID(), By: account(c.User), Via: c.App.ID, Body: c.GetBody(), At: at(c.CreatedAt), Updated: at(c.UpdatedAt),
	}
}

// Marker returns an HTML comment that holds an effect's key and that Markdown does not show. In the body of what the effect posts, it is
// what FindIssue and FindComment know it by. Keys that differ have markers that differ, none of which is a part of another, and no
// character of a key can end the comment.
func Marker(key string) string {
	var b strings.Builder
	b.WriteString("<!-- changegate ")
	for i := range len(key) {
		switch ch := key[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte(" .,:;#/_+=", ch) >= 0:
			b.WriteByte(ch)
		case ch == '-' && i > 0 && key[i-1] != '-': // two of them, or one at an end, may end the comment
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	b.WriteString(" -->")
	return b.String()
}

// Comments reads the comments on an issue or a pull request, oldest first (issues/list-comments). One call for each 100.
func (s *Session) Comments(ctx context.Context, repo change.Repository, n change.Number, since time.Time) (_ []IssueComment, err error) {
	defer wrap(&err, "reading the comments on %s#%d", repo, n)
	listed, err := readPages(ctx, s, listComments.of(repo, itoa(n)), since, maxTimeline, entries[comment])
	if err != nil {
		return nil, err
	}
	comments := make([]IssueComment, 0, len(listed.items))
	for _, c := range listed.items {
		comments = append(comments, c.value())
	}
	return comments, listed.tooMany("more than 10,000 comments")
}

// IssueComment reads one comment (issues/get-comment). One that was deleted is a *NotFound.
func (s *Session) IssueComment(ctx context.Context, repo change.Repository, id int64, since time.Time) (_ IssueComment, err error) {
	defer wrap(&err, "reading comment %d in %s", id, repo)
	var c comment
	whole := func() bool { return c.GetID() == id }
	if err := s.read(ctx, getComment.of(repo, itoa(id)), since, &c, whole); err != nil {
		return IssueComment{}, err
	}
	return c.value(), nil
}

// Comment posts a comment and returns its id (issues/create-comment). Posting it twice makes two: if it fails with MayHaveHappened, look
// for it with FindComment. GitHub takes 65,536 characters.
func (c *Client) Comment(ctx context.Context, repo change.Repository, n change.Number, markdown string) (id int64, err error) {
	defer wrap(&err, "commenting on %s#%d", repo, n)
	var made github.IssueComment
	if err := c.write(ctx, createComment.of(repo, itoa(n)), github.IssueComment{Body: &markdown}, &made); err != nil {
		return 0, err
	}
	c.expire(listComments.of(repo, itoa(n)))
	if made.GetID() == 0 {
		return 0, unreadable(errors.New("GitHub's answer names no comment"), true)
	}
	return made.GetID(), nil
}

// EditComment changes what a comment says (issues/update-comment). One that was deleted is a *NotFound. Repeating an edit is harmless. A
// session that has read the comment goes on seeing it as it was.
func (c *Client) EditComment(ctx context.Context, repo change.Repository, id int64, markdown string) (err error) {
	defer wrap(&err, "editing comment %d in %s", id, repo)
	var edited github.IssueComment
	if err := c.write(ctx, updateComment.of(repo, itoa(id)), github.IssueComment{Body: &markdown}, &edited); err != nil {
		return err
	}
	c.expire(getComment.of(repo, itoa(id)))
	issue := edited.GetIssueURL()
	c.expire(listComments.of(repo, issue[strings.LastIndexByte(issue, '/')+1:]))
	if edited.GetID() != id {
		return unreadable(errors.New("GitHub's answer is of another comment"), true)
	}
	return nil
}

// FindComment looks for a comment that this App posted on an issue or a pull request, not before since, whose body holds the marker; the
// first of several. It always asks GitHub: one call for each 100 comments that were posted or edited after since (issues/list-comments).
func (c *Client) FindComment(
	ctx context.Context, repo change.Repository, n change.Number, marker string, since time.Time,
) (id int64, found bool, err error) {
	defer wrap(&err, "looking for our comment on %s#%d", repo, n)
	s := c.Begin() // of its own, because another may have listed them before the comment was posted
	where := listComments.of(repo, itoa(n)).with(values("since", timestamp(since)))
	listed, err := readPages(ctx, s, where, s.began, maxTimeline, entries[comment])
	if err != nil {
		return 0, false, err
	}
	for _, found := range listed.items {
		if found.isOurs(c, found.User) && strings.Contains(found.GetBody(), marker) {
			return found.GetID(), true, nil
		}
	}
	return 0, false, listed.tooMany("more than 10,000 comments")
}

// timestamp writes a time as the parameters of GitHub's lists want it.
func timestamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
