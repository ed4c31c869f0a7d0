package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// What a decision rests on, as the ledger keeps it. It is divided by what changes together, so that a decision that differs from the one
// before by an approval adds little: what the head holds is kept once for each head, a team's members until they change. Members may be
// added; their names and meanings never change. No line of anybody's code is in it: a file is known by its blob.
type (
	// factsExhibit has all that is not in the others.
	factsExhibit struct {
		Facts     change.Facts         `json:"facts"`
		TeamsRead map[string]time.Time `json:"teams_read,omitempty"` // when, by slug
	}
	contentExhibit struct {
		Content change.Content             `json:"content"`
		Seen    []change.Seen              `json:"seen,omitempty"`
		Trees   map[change.SHA]change.Tree `json:"trees,omitempty"`
	}
	teamsExhibit struct {
		Teams map[string]change.Team `json:"teams"`
	}
	descriptionExhibit struct {
		Description  string               `json:"description"` // as it is now
		Descriptions []change.Description `json:"descriptions,omitempty"`
	}
	// groupExhibit has what a merge group's decision rests on besides what those on its members do.
	groupExhibit struct {
		Group groupBasis `json:"group"`
	}
	groupBasis struct {
		change.MergeGroup
		Members []memberBasis  `json:"members"`
		Listed  bool           `json:"listed"` // by GitHub; if not, there may be other members
		Ahead   change.Verdict `json:"ahead"`  // of the group that it was built on
		Content change.Seen    `json:"content"`
	}
	memberBasis struct {
		Number   change.Number   `json:"number"`
		Queued   change.SHA      `json:"queued,omitempty"` // the head that the queue took
		Decision change.Decision `json:"decision"`
	}
	policyExhibit struct {
		Policy policyText `json:"policy"`
	}
	policyText struct {
		Source string `json:"source"`
		Digest string `json:"digest"` // SHA-256 of the text
		Text   string `json:"text"`
	}
	// inForceBody is the body of an entry about the policy that a branch is decided by.
	inForceBody struct {
		Branch string           `json:"branch"`
		Policy change.PolicyRef `json:"policy"`
		Floor  change.PolicyRef `json:"floor,omitzero"`
		// Commit is the tip of the branch that it was read at. Who approved it says the pull request that brought it there.
		Commit change.SHA `json:"commit,omitempty"`
	}
)

// restsOn returns what the subject's decision rests on, besides the texts of policies.
func restsOn(s *subject) ([]any, error) {
	f := s.facts // a copy, of which members are taken out and none is changed
	content := contentExhibit{Content: f.Content, Seen: f.Seen, Trees: f.Trees}
	content.Content.Files = make([]change.File, len(f.Content.Files))
	for i, file := range f.Content.Files {
		file.Patch = ""
		content.Content.Files[i] = file
	}
	description := descriptionExhibit{Description: f.Pull.Body, Descriptions: f.Descriptions}
	teams, read := teamsExhibit{Teams: map[string]change.Team{}}, map[string]time.Time{}
	for slug, t := range f.Teams {
		read[slug], t.ReadAt = t.ReadAt, time.Time{}
		teams.Teams[slug] = t
	}
	f.Content = change.Content{Head: f.Content.Head, BaseTip: f.Content.BaseTip, MergeBase: f.Content.MergeBase}
	f.Seen, f.Trees, f.Teams, f.Descriptions, f.Pull.Body = nil, nil, nil, nil, ""

	parts := []any{factsExhibit{f, read}, content, description}
	if len(teams.Teams) > 0 {
		parts = append(parts, teams)
	}
	for i, x := range parts {
		sealed, err := ledger.Seal(x)
		if err != nil {
			return nil, fmt.Errorf("what the decision on %s rests on: %w", s.work.Key, err)
		}
		parts[i] = sealed
	}
	return parts, nil
}

// groupRestsOn returns what a merge group's decision rests on: the group, and what the decision on each of its members does.
func groupRestsOn(g change.Group, members []member) (list []any, err error) {
	basis := groupBasis{MergeGroup: g.MergeGroup, Listed: g.MembersKnown, Ahead: g.Ahead, Content: g.Content}
	for _, m := range g.Members {
		basis.Members = append(basis.Members, memberBasis{m.Number, m.Queued, m.Decision})
	}
	list = []any{groupExhibit{basis}}
	there := map[string]bool{}
	for _, m := range members {
		for _, s := range m.subjects {
			parts, err := restsOn(s)
			if err != nil {
				return nil, err
			}
			texts, err := m.run.texts(s)
			if err != nil {
				return nil, err
			}
			for _, x := range append(parts, texts...) {
				if digest := x.(ledger.Sealed).Digest; !there[digest] { // members mostly have the policy in common
					there[digest] = true
					list = append(list, x)
				}
			}
		}
	}
	return list, nil
}

// texts returns the texts of the policies that the subject's decision was made by, as far as they could be read.
func (r *run) texts(s *subject) (list []any, err error) {
	for _, ref := range []change.PolicyRef{s.decision.Policy, s.decision.Floor} {
		text, ok := s.texts[fileOf(ref)]
		if !ok && ref == r.Default.Ref {
			text, ok = r.DefaultText, r.DefaultText != ""
		}
		if ok {
			sealed, err := ledger.Seal(policyExhibit{policyText{Source: ref.Source, Digest: ledger.Digest([]byte(text)), Text: text}})
			if err != nil {
				return nil, fmt.Errorf("the text of %s: %w", ref.Source, err)
			}
			list = append(list, sealed)
		}
	}
	return list, nil
}

// keepText keeps the text of a policy file that the subject is decided by, if it has one.
func (s *subject) keepText(ref change.PolicyRef, file github.PolicyFile) {
	if file.Problem != "" {
		return
	}
	if s.texts == nil {
		s.texts = map[change.PolicyRef]string{}
	}
	s.texts[fileOf(ref)] = file.Text
}

// fileOf leaves out the digest, which nobody has of a file that is no policy.
func fileOf(ref change.PolicyRef) change.PolicyRef {
	ref.Digest = ""
	return ref
}

// inForce returns the policy that a decision was made by as what its branch is decided by, with its texts; nil if it was made by none, or
// after the merge, when the policy of that time goes on deciding.
func inForce(d change.Decision, texts []any) *store.PolicyInForce {
	if d.Policy == (change.PolicyRef{}) || d.State != "" {
		return nil
	}
	var key strings.Builder
	for _, ref := range []change.PolicyRef{d.Policy, d.Floor} {
		fmt.Fprintf(&key, "%s\n%s\n%s\n", ref.Source, ref.SHA, ref.Digest)
	}
	return &store.PolicyInForce{Branch: d.Base, Digest: ledger.Digest([]byte(key.String())), Entry: ledger.Draft{
		Kind: ledger.PolicyInForce, Subject: ledger.Subject{Repository: int64(d.Pull.Repository), SHA: string(d.BaseTip)},
		Body: inForceBody{Branch: d.Base, Policy: d.Policy, Floor: d.Floor, Commit: d.BaseTip}, Exhibits: texts,
	}}
}
