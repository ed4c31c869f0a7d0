package webhook

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

const ours change.AppID = 4711

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// The payloads of these tests are put together from these members.
const (
	where = `"installation":{"id":9},
		"repository":{"id":55,"name":"shop","owner":{"id":3,"login":"acme","type":"Organization"},"default_branch":"main"},
		"sender":{"id":101,"login":"alice","type":"User"}`

	pull = `{"number":12,"title":"Add an index","body":"## Risk\nlow","html_url":"https://github.com/acme/shop/pull/12",
		"user":{"id":102,"login":"bob","type":"User"},"state":"open","draft":true,
		"head":{"ref":"index","sha":"headsha","user":{"id":102,"login":"bob","type":"User"},
			"repo":{"id":56,"name":"shop","owner":{"id":102,"login":"bob","type":"User"}}},
		"base":{"ref":"main","sha":"basesha","repo":{"id":55,"name":"shop","owner":{"id":3,"login":"acme","type":"Organization"}}},
		"labels":[{"name":"high-risk"},{"name":"schéma"}],
		"requested_teams":[{"slug":"security"}],
		"requested_reviewers":[{"id":103,"login":"carol","type":"User"},{"id":77,"name":"a team"}],
		"changed_files":3,"created_at":"2026-03-01T00:00:00Z","updated_at":"2026-03-02T00:00:00Z",
		"merged":false,"merged_at":null,"merged_by":null,"merge_commit_sha":"testmerge"}`
)

var (
	alice = change.Account{ID: 101, Login: "alice", Kind: change.KindUser}
	bob   = change.Account{ID: 102, Login: "bob", Kind: change.KindUser}
	shop  = change.Repository{ID: 55, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 9}
	key12 = change.PullKey{Repository: 55, Number: 12}
	day1  = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	day2  = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
)

func snapshot(edits ...func(*change.Pull)) *change.Pull {
	p := &change.Pull{
		Number: 12, Title: "Add an index", Body: "## Risk\nlow", URL: "https://github.com/acme/shop/pull/12",
		Author: bob, State: change.Open, Draft: true,
		Head:           change.Branch{Repository: 56, Owner: "bob", Name: "index", SHA: "headsha"},
		HeadOwner:      bob,
		Base:           change.Branch{Repository: 55, Owner: "acme", Name: "main", SHA: "basesha"},
		Labels:         []string{"high-risk", "schéma"},
		RequestedTeams: []string{"security"},
		RequestedUsers: []change.Account{{ID: 103, Login: "carol", Kind: change.KindUser}},
		ChangedFiles:   3, CreatedAt: day1, UpdatedAt: day2,
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

// about is a delivery of an event about the shop, by alice.
func about(event, action string, edits ...func(*change.Delivery)) change.Delivery {
	d := change.Delivery{
		ID: "d-1", Event: event, Action: action, Installation: 9, Repository: shop, Sender: alice, ReceivedAt: received,
	}
	for _, edit := range edits {
		edit(&d)
	}
	return d
}

func onPull(concerns change.Concern) func(*change.Delivery) {
	return func(d *change.Delivery) { d.Key, d.Pull, d.Concerns = key12, snapshot(), concerns }
}

func onHead(concerns change.Concern, check *change.Check) func(*change.Delivery) {
	return func(d *change.Delivery) { d.Head, d.Concerns, d.Check = "headsha", concerns, check }
}

func onBase(name string, concerns change.Concern) func(*change.Delivery) {
	return func(d *change.Delivery) { d.Base, d.Concerns = name, concerns }
}

// raising makes a delivery one that raises an errand of the shop.
func raising(kind change.ErrandKind, name string, notes ...any) func(*change.Delivery) {
	return func(d *change.Delivery) {
		r := change.Raised{Errand: change.Errand{Kind: kind, Repository: d.Repository.ID, Name: name}}
		for _, body := range notes {
			r.Notes = append(r.Notes, change.NewNote("d-1", received, body))
		}
		d.Raised = append(d.Raised, r)
	}
}

// onBranch makes a delivery that of a push.
func onBranch(push change.BranchPush) func(*change.Delivery) {
	return func(d *change.Delivery) {
		onBase(push.Branch, content)(d)
		raising(change.ErrandBranch, push.Branch, push)(d)
		if push.After != "" {
			d.Arrival = &change.Push{Before: push.Before, After: push.After, By: push.By, At: received, Forced: push.Forced}
			if !push.Pushed.IsZero() {
				d.Arrival.At = push.Pushed
			}
		}
	}
}

// deploying makes a delivery one that tells the shop's deployments something.
func deploying(n change.ReleaseNote) func(*change.Delivery) {
	return raising(change.ErrandDeployments, change.DeploymentsName, n)
}

func onIssue(number change.Number) func(*change.Delivery) {
	return func(d *change.Delivery) { d.Issue = number }
}

// owners makes a delivery one about the repository with the owner's policy, which may have changed.
func owners(d *change.Delivery) {
	d.Repository.ID, d.Repository.Name, d.Floor = 58, ".github", true
}

func unchangedFloor(d *change.Delivery) { d.Floor = false }

const (
	pullConcern = change.ConcernPull
	timeline    = change.ConcernTimeline
	content     = change.ConcernContent
	checks      = change.ConcernChecks
	people      = change.ConcernPeople
	verify      = change.ConcernVerify
)

func TestParse(t *testing.T) {
	inOwners := strings.NewReplacer(`"id":55`, `"id":58`, `"shop"`, `".github"`).Replace(where)
	pr := func(action, more string) string {
		return `{"action":"` + action + `","number":12,"pull_request":` + pull + `,` + more + where + `}`
	}
	comment := func(action, body, more string) string {
		return `{"action":"` + action + `","issue":{"number":12,"pull_request":{"url":"x"}},
			"comment":{"id":31,"body":` + body + `,"user":{"id":101,"login":"alice","type":"User"},"created_at":"2026-03-02T00:00:00Z"` + more + `},` + where + `}`
	}
	run := func(action, status, conclusion, app string) string {
		return `{"action":"` + action + `","check_run":{"id":61,"name":"build","head_sha":"headsha","status":"` + status + `","conclusion":` + conclusion + `,
			"html_url":"https://github.com/run/61","started_at":"2026-03-01T00:00:00Z","completed_at":null,
			"app":` + app + `,"check_suite":{"id":62,"app":{"id":15368,"slug":"github-actions"}}},` + where + `}`
	}
	const actions, own = `{"id":15368,"slug":"github-actions"}`, `{"id":4711,"slug":"changegate"}`
	onPlain := func(comment string) string { return strings.Replace(comment, `,"pull_request":{"url":"x"}`, "", 1) }
	issue := func(action string) string {
		return `{"action":"` + action + `","issue":{"number":7,"title":"x","user":null},` + where + `}`
	}
	group := func(action, more string) string {
		return `{"action":"` + action + `",` + more + `"merge_group":{"head_sha":"headsha","head_ref":"refs/heads/gh-readonly-queue/main/pr-12-abc",
			"base_sha":"basesha","base_ref":"refs/heads/main","head_commit":{"id":"headsha"}},` + where + `}`
	}
	again := raising(change.ErrandGroup, "headsha", change.GroupNote{Again: true})
	queued := change.MergeGroup{Head: "headsha", HeadRef: "refs/heads/gh-readonly-queue/main/pr-12-abc", Base: "basesha", BaseRef: "refs/heads/main"}
	const deployment = `"deployment":{"id":81,"sha":"headsha","ref":"main","task":"deploy","environment":"Production","original_environment":"staging",
		"creator":{"id":102,"login":"bob","type":"User"},"payload":{ "number": 12 },"created_at":"2026-03-01T00:00:00Z","performed_via_github_app":null}`
	const bot = `{"id":70,"login":"changegate[bot]","type":"Bot"}`
	deployed := func(action, deployment string) string {
		return `{"action":"` + action + `",` + deployment + `,` + where + `}`
	}
	posted := func(action, deployment string) string {
		return `{"action":"` + action + `","deployment_status":{"id":91,"state":"success","environment":"Production","creator":` + bot + `,"description":"",
			"log_url":"https://ci/new","target_url":"https://ci/old","created_at":"2026-03-02T00:00:00Z","performed_via_github_app":{"id":4711}},"check_run":null,` + deployment + `,` + where + `}`
	}
	const callback = "https://api.github.com/repos/acme/shop/actions/runs/34/deployment_protection_rule"
	waits := func(action, more, deployment string) string {
		return `{"action":"` + action + `","environment":"production","event":"push",` + more + `"deployment_callback_url":"` + callback + `",` + deployment + `,"pull_requests":[],` + where + `}`
	}
	made := change.Deployment{ID: 81, SHA: "headsha", Ref: "main", Task: "deploy", Environment: "Production", By: bob, Payload: json.RawMessage(`{"number":12}`), At: day1}
	without := func(edits ...func(*change.Deployment)) change.Deployment {
		d := made
		for _, edit := range edits {
			edit(&d)
		}
		return d
	}
	noPayload := func(d *change.Deployment) { d.Payload = nil }
	success := change.DeploymentStatus{
		ID: 91, Deployment: made, State: change.DeploymentSuccess, By: change.Account{ID: 70, Login: "changegate[bot]", Kind: change.KindBot}, Via: ours,
		LogURL: "https://ci/new", At: day2,
	}
	rule := change.RuleAsked{Environment: "production", SHA: "headsha", Ref: "main", Callback: callback, By: alice, At: received}
	ran := func(event string) string {
		return `{"action":"completed","workflow_run":{"id":34,"run_attempt":2,"event":"` + event + `","head_sha":"headsha","conclusion":"timed_out","updated_at":"2026-03-02T00:00:00Z"},` + where + `}`
	}
	ended := change.RunEnded{Run: 34, Attempt: 2, Conclusion: "timed_out", SHA: "headsha", At: day2}
	gone40 := strings.Repeat("0", 40)
	built := func(state change.CheckState) *change.Check {
		return &change.Check{
			Name: "build", State: state, App: "github-actions", AppID: 15368, Suite: 62, RunID: 61, URL: "https://github.com/run/61", Started: day1, At: day1,
		}
	}

	tests := []struct {
		name  string
		event string
		body  string
		want  change.Delivery
	}{
		// pull_request
		{"opened: nothing is held yet, and the sender brought the head", "pull_request", pr("opened", ""),
			about("pull_request", "opened", onPull(pullConcern|timeline|content|checks), func(d *change.Delivery) {
				d.Push = &change.Push{After: "headsha", By: alice, At: day1}
				d.Description = &change.Description{Body: "## Risk\nlow", By: alice, At: day1}
			})},
		{"reopened: everything, and no push, because nobody knows who moved the branch meanwhile", "pull_request", pr("reopened", ""),
			about("pull_request", "reopened", onPull(pullConcern|timeline|content|checks))},
		{"synchronize: the sender pushed", "pull_request", pr("synchronize", `"before":"oldsha","after":"headsha",`),
			about("pull_request", "synchronize", onPull(pullConcern|checks), func(d *change.Delivery) {
				d.Push = &change.Push{Before: "oldsha", After: "headsha", By: alice, At: day2}
			})},
		{"edited: the description", "pull_request", pr("edited", `"changes":{"body":{"from":"x"}},`),
			about("pull_request", "edited", onPull(pullConcern), func(d *change.Delivery) {
				was := "x"
				d.Description = &change.Description{Body: "## Risk\nlow", By: alice, At: day2, Was: &was}
			})},
		{"edited: another base", "pull_request", pr("edited", `"changes":{"base":{"ref":{"from":"old"},"sha":{"from":"x"}}},`),
			about("pull_request", "edited", onPull(pullConcern|content))},
		{"labeled: who, and which head they saw", "pull_request", pr("labeled", `"label":{"id":1,"name":"EMERGENCY"},`),
			about("pull_request", "labeled", onPull(pullConcern|timeline), func(d *change.Delivery) {
				d.Label = &change.LabelEvent{Label: "EMERGENCY", Added: true, By: alice, At: day2, Head: "headsha", Into: "main", Base: "basesha"}
			})},
		{"unlabeled", "pull_request", pr("unlabeled", `"label":{"name":"high-risk"},`),
			about("pull_request", "unlabeled", onPull(pullConcern|timeline), func(d *change.Delivery) {
				d.Label = &change.LabelEvent{Label: "high-risk", By: alice, At: day2, Head: "headsha", Into: "main", Base: "basesha"}
			})},
		{"unlabeled of a label that is gone", "pull_request", pr("unlabeled", ""), about("pull_request", "unlabeled", onPull(pullConcern|timeline))},
		{"closed", "pull_request", pr("closed", ""), about("pull_request", "closed", onPull(pullConcern))},
		{"merged: the push tells what landed, this with whose merge", "pull_request", strings.Replace(pr("closed", ""), `"merged":false,"merged_at":null,"merged_by":null`,
			`"merged":true,"merged_at":"2026-03-02T00:00:00Z","merged_by":{"id":101,"login":"alice","type":"User"}`, 1),
			about("pull_request", "closed", onPull(pullConcern), func(d *change.Delivery) {
				d.Pull.State, d.Pull.MergeCommit, d.Pull.MergedBy, d.Pull.MergedAt = change.Merged, "testmerge", alice, day2
			}, deploying(change.ReleaseNote{Landed: &change.Landed{
				Number: 12, Title: "Add an index", Branch: "main", Commit: "testmerge", Author: bob, By: alice, At: day2,
			}}))},
		{"merged by somebody who is gone, at a time that is not told", "pull_request", strings.Replace(pr("closed", ""), `"merged":false`, `"merged":true`, 1),
			about("pull_request", "closed", onPull(pullConcern), func(d *change.Delivery) {
				d.Pull.State, d.Pull.MergeCommit = change.Merged, "testmerge"
			}, deploying(change.ReleaseNote{Landed: &change.Landed{
				Number: 12, Title: "Add an index", Branch: "main", Commit: "testmerge", Author: bob, At: received,
			}}))},
		{"merged into a commit that is not told: the push tells all there is", "pull_request", strings.NewReplacer(`"merged":false`, `"merged":true`, `"testmerge"`, `null`).Replace(pr("closed", "")),
			about("pull_request", "closed", onPull(pullConcern), func(d *change.Delivery) { d.Pull.State = change.Merged })},
		{"labeled after it was merged: it landed before", "pull_request", strings.Replace(pr("unlabeled", ""), `"merged":false`, `"merged":true`, 1),
			about("pull_request", "unlabeled", onPull(pullConcern|timeline), func(d *change.Delivery) {
				d.Pull.State, d.Pull.MergeCommit = change.Merged, "testmerge"
			})},
		{"ready for review", "pull_request", pr("ready_for_review", ""), about("pull_request", "ready_for_review", onPull(pullConcern))},
		{"back to draft", "pull_request", pr("converted_to_draft", ""), about("pull_request", "converted_to_draft", onPull(pullConcern))},
		{"our own request comes back", "pull_request", pr("review_requested", ""), about("pull_request", "review_requested", onPull(0))},
		{"assigned", "pull_request", pr("assigned", ""), about("pull_request", "assigned", onPull(0))},
		{"an action of tomorrow", "pull_request", pr("stacked", ""), about("pull_request", "stacked", onPull(0))},

		// pull_request_review
		{"approved", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,"review":{"id":21,"user":{"id":101,"login":"alice","type":"User"},
			"state":"approved","commit_id":"headsha","submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "submitted", onPull(timeline), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: alice, State: change.Approved, SHA: "headsha", At: day2, Into: "main", Base: "basesha"}
			})},
		{"by a login that does not say of what kind it is", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,"review":{"id":21,"user":{"id":101,"login":"alice"},
			"state":"approved","commit_id":"headsha","submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "submitted", onPull(timeline), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: alice, State: change.Approved, SHA: "headsha", At: day2, Into: "main", Base: "basesha"}
			})},
		{"by a bot's login that does not say it", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,"review":{"id":21,"user":{"id":70,"login":"helper[bot]"},
			"state":"approved","commit_id":"headsha","submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "submitted", onPull(timeline), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: change.Account{ID: 70, Login: "helper[bot]", Kind: change.KindBot}, State: change.Approved, SHA: "headsha", At: day2, Into: "main", Base: "basesha"}
			})},
		{"a commit that is gone, a reviewer who is gone", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,"review":{"id":21,"user":null,
			"state":"CHANGES_REQUESTED","commit_id":null,"submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "submitted", onPull(timeline), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, State: change.ChangesRequested, At: day2, Into: "main", Base: "basesha"}
			})},
		{"a comment is no opinion", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,"review":{"id":21,"user":{"id":101,"login":"alice","type":"User"},
			"state":"commented","commit_id":"headsha","submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "submitted", onPull(0), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: alice, State: change.Commented, SHA: "headsha", At: day2, Into: "main", Base: "basesha"}
			})},
		{"dismissed, by the sender", "pull_request_review", `{"action":"dismissed","pull_request":` + pull + `,"review":{"id":21,"user":{"id":102,"login":"bob","type":"User"},
			"state":"dismissed","commit_id":"headsha","submitted_at":"2026-03-01T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "dismissed", onPull(timeline), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: bob, State: change.Dismissed, SHA: "headsha", At: day1, DismissedBy: alice, DismissedAt: day2, Into: "main", Base: "basesha"}
			})},
		{"its words edited", "pull_request_review", `{"action":"edited","pull_request":` + pull + `,"review":{"id":21,"user":{"id":101,"login":"alice","type":"User"},
			"state":"approved","commit_id":"headsha","submitted_at":"2026-03-02T00:00:00Z"},` + where + `}`,
			about("pull_request_review", "edited", onPull(0), func(d *change.Delivery) {
				d.Review = &change.Review{ID: 21, By: alice, State: change.Approved, SHA: "headsha", At: day2, Into: "main", Base: "basesha"}
			})},

		// issue_comment
		{"a command", "issue_comment", comment("created", `"/change refresh\nplease ☂"`, ""),
			about("issue_comment", "created", func(d *change.Delivery) {
				d.Key, d.Concerns = key12, verify
				d.Command = &change.Command{Comment: 31, Pull: key12, By: alice, Body: "/change refresh\nplease ☂", At: day2}
			})},
		{"a command alone", "issue_comment", comment("created", `"/change"`, `,"performed_via_github_app":null`),
			about("issue_comment", "created", func(d *change.Delivery) {
				d.Key, d.Concerns = key12, verify
				d.Command = &change.Command{Comment: 31, Pull: key12, By: alice, Body: "/change", At: day2}
			})},
		{"a command with a capital after a space, which is answered that it is none", "issue_comment", comment("created", `"\n /Change reject"`, ""),
			about("issue_comment", "created", func(d *change.Delivery) {
				d.Key, d.Concerns = key12, verify
				d.Command = &change.Command{Comment: 31, Pull: key12, By: alice, Body: "\n /Change reject", At: day2}
			})},
		{"a command in a block of code", "issue_comment", comment("created", `"    /change refresh"`, ""), about("issue_comment", "created", onKey)},
		{"a command after a fence", "issue_comment", comment("created", `"~~~\n/change refresh\n~~~"`, ""), about("issue_comment", "created", onKey)},
		{"another word", "issue_comment", comment("created", `"/changelog please"`, ""), about("issue_comment", "created", onKey)},
		{"a command that is quoted", "issue_comment", comment("created", `"> /change refresh"`, ""), about("issue_comment", "created", onKey)},
		{"a command that was edited in", "issue_comment", comment("edited", `"/change refresh"`, ""), about("issue_comment", "edited", onKey)},
		{"a command that was deleted", "issue_comment", comment("deleted", `"/change refresh"`, ""), about("issue_comment", "deleted", onKey)},
		{"a command through an App", "issue_comment", comment("created", `"/change refresh"`, `,"performed_via_github_app":{"id":1,"slug":"x"}`),
			about("issue_comment", "created", onKey)},
		{"a command by a bot", "issue_comment", strings.ReplaceAll(comment("created", `"/change refresh"`, ""), `"type":"User"`, `"type":"Bot"`),
			about("issue_comment", "created", onKey, func(d *change.Delivery) { d.Sender.Kind = change.KindBot })},
		{"a command in another's name", "issue_comment", strings.Replace(comment("created", `"/change refresh"`, ""), `"id":101`, `"id":102`, 1),
			about("issue_comment", "created", onKey)},
		{"a command on an issue: whoever has the issue is told, and no pull request", "issue_comment", onPlain(comment("created", `"/change explain \"it was late\""`, "")),
			about("issue_comment", "created", onIssue(12), func(d *change.Delivery) {
				d.Command = &change.Command{Comment: 31, Pull: key12, By: alice, Body: `/change explain "it was late"`, At: day2}
			})},
		{"a comment on an issue", "issue_comment", onPlain(comment("created", `"so what"`, "")), about("issue_comment", "created", onIssue(12))},
		{"a command on an issue that was edited in", "issue_comment", onPlain(comment("edited", `"/change refresh"`, "")), about("issue_comment", "edited", onIssue(12))},
		{"a command on an issue through an App", "issue_comment", onPlain(comment("created", `"/change refresh"`, `,"performed_via_github_app":{"id":1,"slug":"x"}`)),
			about("issue_comment", "created", onIssue(12))},
		{"our own comment on an issue", "issue_comment", onPlain(strings.ReplaceAll(comment("created", `"Explain this."`, ""), `"type":"User"`, `"type":"Bot"`)),
			about("issue_comment", "created", onIssue(12), func(d *change.Delivery) { d.Sender.Kind = change.KindBot })},

		// issues
		{"an issue is closed", "issues", issue("closed"), about("issues", "closed", onIssue(7))},
		{"an issue is opened again", "issues", issue("reopened"), about("issues", "reopened", onIssue(7))},
		{"an issue is edited", "issues", issue("edited"), about("issues", "edited", onIssue(7))},
		{"an issue is assigned", "issues", issue("assigned"), about("issues", "assigned", onIssue(7))},
		{"an issue is unassigned", "issues", issue("unassigned"), about("issues", "unassigned", onIssue(7))},
		{"an issue is deleted", "issues", issue("deleted"), about("issues", "deleted", onIssue(7))},
		{"an issue is transferred", "issues", issue("transferred"), about("issues", "transferred", onIssue(7))},
		{"an issue is opened: it is no errand's yet", "issues", issue("opened"), about("issues", "opened")},
		{"an issue is labeled", "issues", issue("labeled"), about("issues", "labeled")},
		{"an issue's action of tomorrow", "issues", issue("stacked"), about("issues", "stacked")},

		// label
		{"a label renamed", "label", `{"action":"edited","label":{"name":"new"},"changes":{"name":{"from":"high-risk"}},` + where + `}`,
			about("label", "edited", onBase("*", pullConcern|timeline))},
		{"a label deleted", "label", `{"action":"deleted","label":{"name":"high-risk"},` + where + `}`, about("label", "deleted", onBase("*", pullConcern|timeline))},
		{"a label's colour", "label", `{"action":"edited","label":{"name":"x"},"changes":{"color":{"from":"fff"}},` + where + `}`, about("label", "edited")},
		{"a label created", "label", `{"action":"created","label":{"name":"x"},` + where + `}`, about("label", "created")},

		// push
		{"a push to a branch", "push", `{"ref":"refs/heads/release/1.2","before":"a","after":"c","forced":false,"pusher":{"name":"mallory"},
			"commits":[{"id":"b","author":{"username":"bob"}},{"id":"c"}],` + where + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "release/1.2", Before: "a", After: "c", By: alice, Commits: []change.SHA{"b", "c"}}))},
		{"a push by force", "push", `{"ref":"refs/heads/main","before":"a","after":"b","forced":true,"commits":[],` + where + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "main", Before: "a", After: "b", By: alice, Forced: true}))},
		{"a push that makes a branch", "push", `{"ref":"refs/heads/main","before":"` + gone40 + `","after":"b","created":true,` + where + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "main", After: "b", By: alice}))},
		{"a push at a time", "push", `{"ref":"refs/heads/main","before":"a","after":"b",` + strings.Replace(where, `"repository":{`, `"repository":{"pushed_at":1557933657,`, 1) + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "main", Before: "a", After: "b", By: alice, Pushed: time.Date(2019, 5, 15, 15, 20, 57, 0, time.UTC)}))},
		{"a push that deletes a branch", "push", `{"ref":"refs/heads/main","before":"a","after":"` + gone40 + `","deleted":true,"forced":true,"head_commit":null,` + where + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "main", Before: "a", By: alice, Forced: true}))},
		{"a push with more commits than GitHub names", "push", `{"ref":"refs/heads/main","before":"a","after":"b","commits":[` + strings.Repeat(`{"id":"c"},`, 3000) + `{}],` + where + `}`,
			about("push", "", onBranch(change.BranchPush{Branch: "main", Before: "a", After: "b", By: alice, Commits: slices.Repeat([]change.SHA{"c"}, 2048)}))},
		{"a push by nobody known", "push", strings.Replace(`{"ref":"refs/heads/main","before":"a","after":"b",`+where+`}`, `{"id":101,"login":"alice","type":"User"}`, "null", 1),
			about("push", "", onBranch(change.BranchPush{Branch: "main", Before: "a", After: "b"}), func(d *change.Delivery) { d.Sender = change.Account{} })},
		{"a push by a merge queue to a branch of its own", "push", `{"ref":"refs/heads/gh-readonly-queue/main/pr-12-abc","before":"a","after":"b",` + where + `}`, about("push", "")},
		{"a branch is deleted: the push tells", "delete", `{"ref":"main","ref_type":"branch",` + where + `}`, about("delete", "")},
		{"a push to the owner's policy", "push", `{"ref":"refs/heads/main",` + inOwners + `}`, about("push", "", owners, onBranch(change.BranchPush{Branch: "main", By: alice}))},
		{"a push beside the owner's policy", "push", `{"ref":"refs/heads/topic",` + inOwners + `}`, about("push", "", owners, onBranch(change.BranchPush{Branch: "topic", By: alice}), unchangedFloor)},
		{"the owner's repository is deleted", "repository", `{"action":"deleted",` + inOwners + `}`, about("repository", "deleted", owners, gone)},
		{"the owner's repository gets another name", "repository", `{"action":"renamed","changes":{"repository":{"name":{"from":".github"}}},` + where + `}`,
			about("repository", "renamed", onBase("*", pullConcern), func(d *change.Delivery) { d.Floor = true })},
		{"the owner's repository leaves", "installation_repositories", `{"action":"removed","installation":{"id":9},"repositories_removed":[{"id":58,"name":".github","full_name":"acme/.github"}]}`,
			change.Delivery{ID: "d-1", Event: "installation_repositories", Action: "removed", Installation: 9, ReceivedAt: received, Removed: []change.RepositoryID{58}, Floor: true}},
		{"the owner's repository comes", "installation_repositories", `{"action":"added","installation":{"id":9},"repositories_added":[{"id":58,"name":".github","full_name":"acme/.github"}]}`,
			change.Delivery{ID: "d-1", Event: "installation_repositories", Action: "added", Installation: 9, ReceivedAt: received,
				Added: []change.Repository{{ID: 58, Owner: "acme", Name: ".github", Installation: 9}}, Floor: true}},
		{"a push of a tag", "push", `{"ref":"refs/tags/v1","before":"a","after":"b",` + where + `}`, about("push", "")},

		// merge_group
		{"a merge group asks for its check", "merge_group", group("checks_requested", ""), about("merge_group", "checks_requested", raising(change.ErrandGroup, "headsha", queued))},
		{"a merge group is merged", "merge_group", group("destroyed", `"reason":"merged",`),
			about("merge_group", "destroyed", raising(change.ErrandGroup, "headsha", func() change.MergeGroup { g := queued; g.Destroyed = "merged"; return g }()))},
		{"a merge group ends without a reason", "merge_group", group("destroyed", ""),
			about("merge_group", "destroyed", raising(change.ErrandGroup, "headsha", func() change.MergeGroup { g := queued; g.Destroyed = "destroyed"; return g }()))},
		{"a merge group's action of tomorrow", "merge_group", group("reordered", ""), about("merge_group", "reordered")},

		// what a branch requires
		{"a ruleset", "repository_ruleset", `{"action":"edited","repository_ruleset":{"id":1,"name":"main"},` + where + `}`,
			about("repository_ruleset", "edited", raising(change.ErrandProtection, "main"))},
		{"an organization's ruleset", "repository_ruleset", `{"action":"edited","repository_ruleset":{"id":1},"installation":{"id":9},"sender":{"id":101,"login":"alice","type":"User"}}`,
			change.Delivery{ID: "d-1", Event: "repository_ruleset", Action: "edited", Installation: 9, Sender: alice, ReceivedAt: received}},
		{"a branch protection rule", "branch_protection_rule", `{"action":"deleted","rule":{"name":"release/*"},` + where + `}`,
			about("branch_protection_rule", "deleted", raising(change.ErrandProtection, "main"))},
		{"branch protection is switched off", "branch_protection_configuration", `{"action":"disabled",` + where + `}`,
			about("branch_protection_configuration", "disabled", raising(change.ErrandProtection, "main"))},

		// check_run, check_suite, workflow_run, status
		{"a check begins", "check_run", run("created", "in_progress", `null`, actions), about("check_run", "created", onHead(checks, built(change.CheckPending)))},
		{"a check ends well", "check_run", run("completed", "completed", `"success"`, actions), about("check_run", "completed", onHead(checks, built(change.CheckSuccess)))},
		{"a check is skipped", "check_run", run("completed", "completed", `"skipped"`, actions), about("check_run", "completed", onHead(checks, built(change.CheckSkipped)))},
		{"a check is neutral", "check_run", run("completed", "completed", `"neutral"`, actions), about("check_run", "completed", onHead(checks, built(change.CheckNeutral)))},
		{"a check went stale", "check_run", run("completed", "completed", `"stale"`, actions), about("check_run", "completed", onHead(checks, built(change.CheckFailure)))},
		{"a check ends as nobody knows yet", "check_run", run("completed", "completed", `"marvellous"`, actions), about("check_run", "completed", onHead(checks, built(change.CheckFailure)))},
		{"a check of no App, but of its suite's", "check_run", run("completed", "completed", `"success"`, `null`), about("check_run", "completed", onHead(checks, built(change.CheckSuccess)))},
		{"the echo of ours", "check_run", run("completed", "completed", `"success"`, own), about("check_run", "completed")},
		{"ours is asked for again", "check_run", run("rerequested", "completed", `"success"`, own), about("check_run", "rerequested", onHead(verify|change.ConcernAgain, nil), again)},
		{"a button of ours", "check_run", run("requested_action", "completed", `"success"`, own), about("check_run", "requested_action", onHead(verify|change.ConcernAgain, nil), again)},
		{"a suite ends", "check_suite", `{"action":"completed","check_suite":{"id":62,"head_sha":"headsha","app":` + actions + `},` + where + `}`,
			about("check_suite", "completed", onHead(checks, nil))},
		{"a suite is to begin", "check_suite", `{"action":"requested","check_suite":{"id":62,"head_sha":"headsha","app":` + actions + `},` + where + `}`,
			about("check_suite", "requested")},
		{"the echo of our suite", "check_suite", `{"action":"completed","check_suite":{"id":62,"head_sha":"headsha","app":` + own + `},` + where + `}`,
			about("check_suite", "completed")},
		{"our suite is asked for again", "check_suite", `{"action":"rerequested","check_suite":{"id":62,"head_sha":"headsha","app":` + own + `},` + where + `}`,
			about("check_suite", "rerequested", onHead(verify|change.ConcernAgain, nil), again)},
		{"a workflow ends", "workflow_run", ran("push"), about("workflow_run", "completed", onHead(checks, nil), deploying(change.ReleaseNote{Run: &ended}))},
		{"a workflow ends that a deployment began", "workflow_run", ran("deployment"), about("workflow_run", "completed", onHead(checks, nil), deploying(change.ReleaseNote{Run: &ended}))},
		{"a workflow ends at a time that is not told, in a way that is not", "workflow_run", `{"action":"completed","workflow_run":{"id":34,"event":"schedule","head_sha":"headsha","conclusion":null},` + where + `}`,
			about("workflow_run", "completed", onHead(checks, nil), deploying(change.ReleaseNote{Run: &change.RunEnded{Run: 34, SHA: "headsha", At: received}}))},
		{"a workflow of a pull request ends", "workflow_run", ran("pull_request"), about("workflow_run", "completed", onHead(checks, nil))},
		{"a workflow of a pull request's base ends", "workflow_run", ran("pull_request_target"), about("workflow_run", "completed", onHead(checks, nil))},
		{"a workflow of a merge group ends", "workflow_run", ran("merge_group"), about("workflow_run", "completed", onHead(checks, nil))},
		{"a workflow begins", "workflow_run", `{"action":"requested","workflow_run":{"id":1,"head_sha":"headsha"},` + where + `}`, about("workflow_run", "requested")},
		{"a status", "status", `{"id":71,"sha":"headsha","name":"acme/shop","context":"ci/build","state":"success","target_url":"https://ci/1","updated_at":"2026-03-02T02:00:00+02:00",` + where + `}`,
			about("status", "", onHead(checks, &change.Check{
				Name: "ci/build", State: change.CheckSuccess, Status: true, Creator: alice, RunID: 71, URL: "https://ci/1", At: day2,
			}))},
		{"a status in error", "status", `{"id":71,"sha":"headsha","context":"ci/build","state":"error","target_url":null,"updated_at":"2026-03-02T00:00:00Z",` + where + `}`,
			about("status", "", onHead(checks, &change.Check{Name: "ci/build", State: change.CheckFailure, Status: true, Creator: alice, RunID: 71, At: day2}))},
		{"a status that waits", "status", `{"id":71,"sha":"headsha","context":"ci/build","state":"pending","target_url":null,"updated_at":"2026-03-02T00:00:00Z",` + where + `}`,
			about("status", "", onHead(checks, &change.Check{Name: "ci/build", State: change.CheckPending, Status: true, Creator: alice, RunID: 71, At: day2}))},

		// deployment, deployment_status, deployment_protection_rule
		{"a deployment", "deployment", deployed("created", deployment), about("deployment", "created", deploying(change.ReleaseNote{Deployment: &made}))},
		{"a deployment by an App that GitHub names, and with a payload of text", "deployment",
			deployed("created", strings.NewReplacer(`"performed_via_github_app":null`, `"performed_via_github_app":{"id":4711}`, `{ "number": 12 }`, `"{\"changegate\":\"x\"}"`).Replace(deployment)),
			about("deployment", "created", deploying(change.ReleaseNote{Deployment: func() *change.Deployment {
				d := without(func(d *change.Deployment) { d.Via, d.Payload = ours, json.RawMessage(`"{\"changegate\":\"x\"}"`) })
				return &d
			}()}))},
		{"a deployment by nobody known, of no branch, without payload or time", "deployment",
			deployed("created", strings.NewReplacer(`{"id":102,"login":"bob","type":"User"}`, `null`, `"main"`, `null`, `{ "number": 12 }`, `null`, `"2026-03-01T00:00:00Z"`, `null`).Replace(deployment)),
			about("deployment", "created", deploying(change.ReleaseNote{Deployment: func() *change.Deployment {
				d := without(noPayload, func(d *change.Deployment) { d.By, d.Ref, d.At = change.Account{}, "", received })
				return &d
			}()}))},
		{"a deployment with a payload that is too long to keep", "deployment", deployed("created", strings.Replace(deployment, `{ "number": 12 }`, `{"x":"`+strings.Repeat("x", change.MaxPayload)+`"}`, 1)),
			about("deployment", "created", deploying(change.ReleaseNote{Deployment: func() *change.Deployment { d := without(noPayload); return &d }()}))},
		{"a deployment's action of tomorrow", "deployment", deployed("stacked", deployment), about("deployment", "stacked")},
		{"a deployment's status, the echo of ours too", "deployment_status", posted("created", deployment), about("deployment_status", "created", deploying(change.ReleaseNote{Status: &success}))},
		{"a status that moves a deployment, with an old link", "deployment_status",
			posted("created", strings.Replace(deployment, "Production", "staging", 1)),
			about("deployment_status", "created", deploying(change.ReleaseNote{Status: &success}))},
		{"a status of nobody known, that says little", "deployment_status", `{"action":"created","deployment_status":{"id":91,"state":"waiting","environment":"","creator":null,"target_url":"https://ci/old"},` + deployment + `,` + where + `}`,
			about("deployment_status", "created", deploying(change.ReleaseNote{Status: &change.DeploymentStatus{ID: 91, Deployment: made, State: "waiting", LogURL: "https://ci/old", At: received}}))},
		{"a status's action of tomorrow", "deployment_status", posted("stacked", deployment), about("deployment_status", "stacked")},
		{"a job waits for us", "deployment_protection_rule", waits("requested", `"sha":"headsha","ref":"main",`, deployment),
			about("deployment_protection_rule", "requested", deploying(change.ReleaseNote{Rule: func() *change.RuleAsked { r := rule; r.Deployment = 81; return &r }()}))},
		{"a job waits whose deployment is not told", "deployment_protection_rule", waits("requested", `"sha":"headsha","ref":"main",`, `"deployment":null`),
			about("deployment_protection_rule", "requested", deploying(change.ReleaseNote{Rule: &rule}))},
		{"a job waits whose commit only its deployment tells", "deployment_protection_rule", waits("requested", "", deployment),
			about("deployment_protection_rule", "requested", deploying(change.ReleaseNote{Rule: func() *change.RuleAsked { r := rule; r.Deployment = 81; return &r }()}))},
		{"a rule's action of tomorrow", "deployment_protection_rule", waits("stacked", "", `"deployment":null`), about("deployment_protection_rule", "stacked")},

		// people
		{"a collaborator", "member", `{"action":"edited","member":{"id":5},"changes":{"permission":{"from":"write"}},` + where + `}`, about("member", "edited", onBase("*", people))},
		{"a team gets the repository", "team", `{"action":"added_to_repository","team":{"slug":"x"},` + where + `}`, about("team", "added_to_repository", onBase("*", people))},
		{"a team is created", "team", `{"action":"created","team":{"slug":"x"},"sender":{"id":101,"login":"alice","type":"User"}}`,
			change.Delivery{ID: "d-1", Event: "team", Action: "created", Sender: alice, ReceivedAt: received}},
		{"a membership", "membership", `{"action":"added","scope":"team","sender":{"id":101,"login":"alice","type":"User"}}`,
			change.Delivery{ID: "d-1", Event: "membership", Action: "added", Sender: alice, ReceivedAt: received}},

		// repository, installation
		{"a repository is deleted", "repository", `{"action":"deleted",` + where + `}`, about("repository", "deleted", gone)},
		{"a repository is transferred", "repository", `{"action":"transferred","changes":{"owner":{"from":{"user":{"login":"x"}}}},` + where + `}`, about("repository", "transferred", gone)},
		{"a repository is archived", "repository", `{"action":"archived",` + where + `}`, about("repository", "archived", gone)},
		{"a repository is back", "repository", `{"action":"unarchived",` + where + `}`, about("repository", "unarchived", onBase("*", everything|verify))},
		{"a repository is renamed", "repository", `{"action":"renamed","changes":{"repository":{"name":{"from":"x"}}},` + where + `}`, about("repository", "renamed", onBase("*", pullConcern))},
		{"another default branch", "repository", `{"action":"edited","changes":{"default_branch":{"from":"master"}},` + where + `}`, about("repository", "edited", onBase("*", pullConcern|content))},
		{"another description", "repository", `{"action":"edited","changes":{"description":{"from":"x"}},` + where + `}`, about("repository", "edited")},
		{"a repository is made private", "repository", `{"action":"privatized",` + where + `}`, about("repository", "privatized", onBase("*", people))},
		{"installed", "installation", `{"action":"created","installation":{"id":9,"account":{"id":101,"login":"alice","type":"User"}},
			"repositories":[{"id":55,"name":"shop","full_name":"alice/shop"}],"sender":{"id":101,"login":"alice","type":"User"}}`,
			change.Delivery{ID: "d-1", Event: "installation", Action: "created", Installation: 9, Sender: alice, ReceivedAt: received,
				Added: []change.Repository{{ID: 55, Owner: "alice", Name: "shop", OwnerIsUser: true, Installation: 9}}}},
		{"uninstalled", "installation", `{"action":"deleted","installation":{"id":9},"repositories":[{"id":55,"name":"shop","full_name":"alice/shop"}]}`,
			change.Delivery{ID: "d-1", Event: "installation", Action: "deleted", Installation: 9, ReceivedAt: received, Gone: true}},
		{"suspended", "installation", `{"action":"suspend","installation":{"id":9}}`,
			change.Delivery{ID: "d-1", Event: "installation", Action: "suspend", Installation: 9, ReceivedAt: received, Gone: true}},
		{"repositories come and go", "installation_repositories", `{"action":"removed","installation":{"id":9,"account":{"id":3,"login":"acme","type":"Organization"}},
			"repositories_added":[{"id":57,"name":"new","full_name":"acme/new"}],"repositories_removed":[{"id":55,"name":"shop","full_name":"acme/shop"}]}`,
			change.Delivery{ID: "d-1", Event: "installation_repositories", Action: "removed", Installation: 9, ReceivedAt: received,
				Added: []change.Repository{{ID: 57, Owner: "acme", Name: "new", Installation: 9}}, Removed: []change.RepositoryID{55}}},

		// whatever else there is
		{"an event of tomorrow", "merge_train", `{"action":"left",` + where + `}`, about("merge_train", "left")},
		{"an event of another shape", "merge_train", `{"action":{"left":true},"repository":"acme/shop"}`,
			change.Delivery{ID: "d-1", Event: "merge_train", ReceivedAt: received}},
	}
	for _, tt := range tests {
		t.Run(tt.event+"/"+tt.name, func(t *testing.T) {
			got, err := Parse(tt.event, "d-1", []byte(tt.body), received, ours)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func onKey(d *change.Delivery) { d.Key = key12 }

func gone(d *change.Delivery) { d.Gone = true }

func TestParseOfPullsThatLackSomething(t *testing.T) {
	tests := []struct {
		name string
		edit func([]byte) []byte
		want *change.Pull
	}{
		{"a deleted fork", func(b []byte) []byte { return edit(t, b, json.RawMessage("null"), "pull_request", "head", "repo") },
			snapshot(func(p *change.Pull) { p.Head.Repository = 0 })},
		{"a deleted fork of a deleted account", func(b []byte) []byte {
			b = edit(t, b, json.RawMessage("null"), "pull_request", "head", "repo")
			b = edit(t, b, json.RawMessage("null"), "pull_request", "head", "user")
			return edit(t, b, json.RawMessage("null"), "pull_request", "user")
		}, snapshot(func(p *change.Pull) {
			p.Head.Repository, p.Head.Owner, p.HeadOwner, p.Author = 0, "", change.Account{}, change.Account{}
		})},
		{"an organization's fork", func(b []byte) []byte {
			return edit(t, b, map[string]any{"id": 9, "login": "globex", "type": "Organization"}, "pull_request", "head", "repo", "owner")
		}, snapshot(func(p *change.Pull) { p.Head.Owner, p.HeadOwner = "globex", change.Account{} })},
		{"no fork", func(b []byte) []byte { return edit(t, b, 55, "pull_request", "head", "repo", "id") },
			snapshot(func(p *change.Pull) { p.Head.Repository, p.HeadOwner = 55, change.Account{} })},
		{"no description, no labels", func(b []byte) []byte {
			b = edit(t, b, json.RawMessage("null"), "pull_request", "body")
			return edit(t, b, []string{}, "pull_request", "labels")
		}, snapshot(func(p *change.Pull) { p.Body, p.Labels = "", nil })},
		{"a bot's", func(b []byte) []byte {
			return edit(t, b, map[string]any{"id": 49699333, "login": "dependabot[bot]", "type": "Bot"}, "pull_request", "user")
		}, snapshot(func(p *change.Pull) {
			p.Author = change.Account{ID: 49699333, Login: "dependabot[bot]", Kind: change.KindBot}
		})},
		{"an account of a kind that is not a person's", func(b []byte) []byte {
			return edit(t, b, map[string]any{"id": 1, "login": "x", "type": "Mannequin"}, "pull_request", "user")
		}, snapshot(func(p *change.Pull) { p.Author = change.Account{ID: 1, Login: "x", Kind: change.KindBot} })},
		{"closed: the test merge is nobody's commit", func(b []byte) []byte { return edit(t, b, "closed", "pull_request", "state") },
			snapshot(func(p *change.Pull) { p.State = change.Closed })},
		{"merged", func(b []byte) []byte {
			b = edit(t, b, "closed", "pull_request", "state")
			b = edit(t, b, true, "pull_request", "merged")
			b = edit(t, b, "2026-03-02T00:00:00Z", "pull_request", "merged_at")
			return edit(t, b, map[string]any{"id": 101, "login": "alice", "type": "User"}, "pull_request", "merged_by")
		}, snapshot(func(p *change.Pull) {
			p.State, p.MergedBy, p.MergedAt, p.MergeCommit = change.Merged, alice, day2, "testmerge"
		})},
		{"merged, as a review's payload says it", func(b []byte) []byte {
			b = edit(t, b, "closed", "pull_request", "state")
			b = edit(t, b, nil, "pull_request", "merged")
			b = edit(t, b, nil, "pull_request", "changed_files")
			return edit(t, b, "2026-03-02T00:00:00Z", "pull_request", "merged_at")
		}, snapshot(func(p *change.Pull) {
			p.State, p.MergedAt, p.MergeCommit, p.ChangedFiles = change.Merged, day2, "testmerge", 0
		})},
		{"half a surrogate pair in the title", func(b []byte) []byte { return bytes.Replace(b, []byte("Add an index"), []byte(`\ud83d index`), 1) },
			snapshot(func(p *change.Pull) { p.Title = "\ufffd index" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := []byte(`{"action":"closed","number":12,"pull_request":` + pull + `,` + where + `}`)
			got, err := Parse("pull_request", "d-1", tt.edit(body), received, ours)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Pull); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	whole := `{"action":"opened","number":12,"pull_request":` + pull + `,` + where + `}`
	tests := []struct{ name, event, body, want string }{
		{"nothing", "ping", ``, "not a JSON object"},
		{"no object", "ping", `[1]`, "not a JSON object"},
		{"null", "pull_request", `null`, "not a JSON object"},
		{"a form", "push", `payload=%7B%7D`, "not a JSON object"},
		{"cut off", "pull_request", whole[:len(whole)-20], "unexpected EOF"},
		{"cut off, of an unknown event", "merge_train", whole[:len(whole)-20], "unexpected EOF"},
		{"something behind it", "pull_request", whole + `{}`, "after top-level value"},
		{"of another shape", "pull_request", `{"pull_request":[],` + where + `}`, "pull_request"},
		{"a shape that is cut off, of an unknown event", "merge_train", `{"action":{"left":`, "unexpected EOF"},
		{"a number that is too large", "pull_request", strings.ReplaceAll(whole, `"number":12`, `"number":1e400`), "number"},
		{"a pull request without itself", "pull_request", `{"action":"opened",` + where + `}`, "no pull_request"},
		{"a pull request without a number", "pull_request", strings.ReplaceAll(whole, `"number":12`, `"number":0`), "no number"},
		{"a pull request without a head", "pull_request", strings.ReplaceAll(whole, `"headsha"`, `null`), "without head"},
		{"a pull request without a repository", "pull_request", strings.ReplaceAll(whole, `"repository"`, `"depository"`), "no repository"},
		{"a push without before", "pull_request", strings.Replace(whole, "opened", "synchronize", 1), "without before and after"},
		{"a review without itself", "pull_request_review", `{"action":"submitted","pull_request":` + pull + `,` + where + `}`, "no review"},
		{"a comment on nothing", "issue_comment", `{"action":"created",` + where + `}`, "no issue"},
		{"a comment on pull request zero", "issue_comment", `{"action":"created","issue":{"pull_request":{}},"comment":{},` + where + `}`, "no number"},
		{"a label of no repository", "label", `{"action":"deleted"}`, "no repository"},
		{"a push to no repository", "push", `{"ref":"refs/heads/main"}`, "no repository"},
		{"a merge group without itself", "merge_group", `{"action":"checks_requested",` + where + `}`, "no merge_group"},
		{"a merge group of no commit", "merge_group", `{"action":"checks_requested","merge_group":{},` + where + `}`, "no commit"},
		{"a merge group of no repository", "merge_group", `{"action":"checks_requested","merge_group":{"head_sha":"x"}}`, "no repository"},
		{"an issue without itself", "issues", `{"action":"closed",` + where + `}`, "no issue"},
		{"issue zero", "issues", `{"action":"closed","issue":{},` + where + `}`, "no number of an issue"},
		{"a comment on issue zero", "issue_comment", `{"action":"created","issue":{},"comment":{},` + where + `}`, "no number of an issue"},
		{"a check run without itself", "check_run", `{` + where + `}`, "no check_run"},
		{"a check run on nothing", "check_run", `{"check_run":{},` + where + `}`, "no commit"},
		{"a check suite without itself", "check_suite", `{` + where + `}`, "no check_suite"},
		{"a workflow run without itself", "workflow_run", `{` + where + `}`, "no workflow_run"},
		{"a workflow run on nothing", "workflow_run", `{"action":"completed","workflow_run":{"id":34},` + where + `}`, "no commit"},
		{"a deployment without itself", "deployment", `{"action":"created",` + where + `}`, "no deployment"},
		{"a deployment of nothing", "deployment", `{"action":"created","deployment":{"id":81,"environment":"production"},` + where + `}`, "without id, commit or environment"},
		{"a deployment to nowhere", "deployment", `{"action":"created","deployment":{"id":81,"sha":"x"},` + where + `}`, "without id, commit or environment"},
		{"a deployment of no repository", "deployment", `{"action":"created","deployment":{"id":81,"sha":"x","environment":"production"}}`, "no repository"},
		{"a deployment's status without itself", "deployment_status", `{"action":"created","deployment":{"id":81,"sha":"x","environment":"production"},` + where + `}`, "no deployment_status"},
		{"a deployment's status that says nothing", "deployment_status", `{"action":"created","deployment_status":{"id":1},"deployment":{"id":81,"sha":"x","environment":"production"},` + where + `}`, "no deployment_status"},
		{"a deployment's status of none", "deployment_status", `{"action":"created","deployment_status":{"id":1,"state":"success"},` + where + `}`, "no deployment"},
		{"a rule of no repository", "deployment_protection_rule", `{"action":"requested","environment":"x","sha":"x","deployment_callback_url":"x"}`, "no repository"},
		{"a rule without a callback", "deployment_protection_rule", `{"action":"requested","environment":"x","sha":"x","deployment":null,` + where + `}`, "no environment, commit or callback"},
		{"a rule for no commit", "deployment_protection_rule", `{"action":"requested","environment":"x","deployment_callback_url":"x",` + where + `}`, "no environment, commit or callback"},
		{"a status on nothing", "status", `{"state":"success",` + where + `}`, "no commit"},
		{"a repository without itself", "repository", `{"action":"deleted"}`, "no repository"},
		{"an installation without itself", "installation", `{"action":"deleted"}`, "no installation"},
		{"an event with a name without end", strings.Repeat("ü", 200), `[]`, "… (400 bytes)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.event, "d-1", []byte(tt.body), received, ours)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want an error with %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

// TestParseKeepsNothingOfTheBody overwrites a body after it was parsed, as the next request on the same buffer does.
func TestParseKeepsNothingOfTheBody(t *testing.T) {
	for _, e := range payloads(t) {
		body := bytes.Clone(e.body)
		want, err := Parse(e.event, "d-1", e.body, received, ours)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(e.event, "d-1", body, received, ours)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			body[i] = '!'
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s changed with its body:\n%s", e.event, diff)
		}
	}
}

// FuzzParse holds Parse to what a Sink relies on, whatever a body may be.
func FuzzParse(f *testing.F) {
	seen := map[string]bool{}
	for _, e := range payloads(f) {
		f.Add(e.event, e.body)
		seen[e.event] = true
	}
	// Of these there is no real example.
	for _, e := range []example{
		{"merge_group", []byte(`{"action":"destroyed","reason":"invalidated","merge_group":{"head_sha":"a","head_ref":"refs/heads/gh-readonly-queue/main/pr-1-b"},` + where + `}`)},
		{"repository_ruleset", []byte(`{"action":"edited","repository_ruleset":{"id":1},` + where + `}`)},
		{"branch_protection_configuration", []byte(`{"action":"disabled",` + where + `}`)},
		{"push", []byte(`{"ref":"refs/heads/main","before":"` + strings.Repeat("0", 40) + `","after":"b","forced":true,"commits":[{"id":"b"},{}],` + where + `}`)},
		{"push", []byte(`{"ref":"refs/heads/gh-readonly-queue/main/pr-1-b",` + where + `}`)},
		{"pull_request", []byte(`{"action":"closed","pull_request":` + strings.Replace(pull, `"merged":false`, `"merged":true`, 1) + `,` + where + `}`)},
		{"deployment", []byte(`{"action":"created","deployment":{"id":81,"sha":"a","environment":"qa","creator":null,"payload":"{\"changegate\":\"x\"}","created_at":"2026-03-01T00:00:00+01:00"},` + where + `}`)},
		{"deployment", []byte(`{"action":"created","deployment":{"id":81,"sha":"a","environment":"qa","payload":{"a":"\ud83d","a":"` + "\xff" + `"}},` + where + `}`)},
		{"deployment_status", []byte(`{"action":"created","deployment_status":{"id":1,"state":"success"},"deployment":{"id":81,"sha":"a","environment":"qa","payload":[]},` + where + `}`)},
		{"deployment_protection_rule", []byte(`{"action":"requested","environment":"qa","sha":"a","deployment_callback_url":"https://api.github.com/x","deployment":null,` + where + `}`)},
		{"workflow_run", []byte(`{"action":"completed","workflow_run":{"id":1,"run_attempt":1,"event":"push","head_sha":"a","conclusion":"success"},` + where + `}`)},
		{"issue_comment", []byte(`{"action":"created","issue":{"number":7},"comment":{"id":1,"body":"/change explain \"x\"","user":{"id":101,"type":"User"}},` + where + `}`)},
	} {
		f.Add(e.event, e.body)
		seen[e.event] = true
	}
	for event := range readers {
		if !seen[event] {
			f.Errorf("no example of %s", event)
		}
	}
	f.Add("pull_request", []byte(`{"pull_request":{"number":-1}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		d, err := Parse(event, "d-1", body, received, ours)
		if err != nil {
			if diff := cmp.Diff(change.Delivery{}, d); diff != "" {
				t.Fatalf("an error and a delivery: %s", diff)
			}
			return
		}
		if d.ID != "d-1" || d.Event != event || !d.ReceivedAt.Equal(received) {
			t.Fatalf("not the delivery that arrived: %+v", d)
		}
		targets := 0
		for _, set := range []bool{d.Key.Number > 0, d.Head != "", d.Base != ""} {
			if set {
				targets++
			}
		}
		if targets > 1 || d.Concerns != 0 && (targets != 1 || d.Repository.ID == 0) {
			t.Fatalf("concerns %b of %d targets: %+v", d.Concerns, targets, d)
		}
		if d.Key != (change.PullKey{}) && (d.Key.Repository != d.Repository.ID || d.Key.Number <= 0) {
			t.Fatalf("a key that is none: %+v", d)
		}
		if d.Check != nil && d.Check.AppID == ours {
			t.Fatalf("a check of ours: %+v", d.Check)
		}
		if d.Command != nil && (d.Command.By.Kind != change.KindUser || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(d.Command.Body)), "/change")) {
			t.Fatalf("a command that is none: %+v", d.Command)
		}
		if d.Command != nil && (d.Command.Pull.Repository != d.Repository.ID || d.Command.Pull.Number != d.Key.Number+d.Issue) {
			t.Fatalf("a command about something else: %+v", d)
		}
		if d.Issue < 0 || d.Issue > 0 && (d.Repository.ID == 0 || targets > 0) {
			t.Fatalf("an issue that is none: %+v", d)
		}
		for _, r := range d.Raised {
			if r.Errand.Kind == "" || r.Errand.Name == "" || r.Errand.Repository != d.Repository.ID || d.Repository.ID == 0 || len(r.Notes) > 1 {
				t.Fatalf("an errand that is none: %+v", r)
			}
			for _, n := range r.Notes {
				if n.ID != d.ID || !n.At.Equal(received) || !json.Valid(n.Body) || !utf8.Valid(n.Body) {
					t.Fatalf("a note that is none: %+v", n)
				}
				if r.Errand.Kind == change.ErrandDeployments {
					holdsOne(t, n)
				}
			}
		}
		if _, err := json.Marshal(d); err != nil {
			t.Fatalf("a delivery that cannot be stored: %v", err)
		}
	})
}

// holdsOne says that a note of deployments tells one thing, of which there is enough to be of use.
func holdsOne(t *testing.T, n change.Note) {
	t.Helper()
	var note change.ReleaseNote
	if err := json.Unmarshal(n.Body, &note); err != nil {
		t.Fatalf("a note that cannot be read: %v", err)
	}
	told := 0
	tells := func(is bool, whole func() bool) {
		if is {
			told++
			if !whole() {
				t.Fatalf("a note that lacks something: %s", n.Body)
			}
		}
	}
	fits := func(d change.Deployment) bool {
		return d.ID != 0 && d.SHA != "" && d.Environment != "" && len(d.Payload) <= change.MaxPayload && !d.At.IsZero()
	}
	tells(note.Landed != nil, func() bool { return note.Landed.Number > 0 && note.Landed.Commit != "" && note.Landed.Branch != "" })
	tells(note.Deployment != nil, func() bool { return fits(*note.Deployment) })
	tells(note.Status != nil, func() bool { return note.Status.ID != 0 && note.Status.State != "" && fits(note.Status.Deployment) })
	tells(note.Rule != nil, func() bool { return note.Rule.Environment != "" && note.Rule.SHA != "" && note.Rule.Callback != "" })
	tells(note.Run != nil, func() bool { return note.Run.Run != 0 && note.Run.SHA != "" })
	if told != 1 {
		t.Fatalf("a note that tells %d things: %s", told, n.Body)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bench := range []struct{ event, action string }{
		{"pull_request", "labeled"}, {"pull_request_review", "submitted"}, {"check_run", "completed"}, {"push", ""},
	} {
		b.Run(bench.event, func(b *testing.B) {
			var compact bytes.Buffer // as GitHub sends it
			if err := json.Compact(&compact, payload(b, bench.event, bench.action)); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(compact.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(bench.event, "d-1", compact.Bytes(), received, ours); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWhenARepositoryChanged(t *testing.T) {
	for value, want := range map[string]time.Time{
		`"2026-03-02T00:00:00Z"`: day2, `null`: {}, `1772409600`: {}, `"yesterday"`: {},
	} {
		body := `{"repository":{"id":55,"name":"shop","owner":{"id":1,"login":"acme"},"updated_at":` + value + `}}`
		d, err := Parse("ping", "d-1", []byte(body), received, 0)
		if err != nil || !d.RepositoryAt.Equal(want) {
			t.Errorf("updated at %s: %s, %v", value, d.RepositoryAt, err)
		}
	}
}

// TestWhatExamplesBringToBranches reads pushes as GitHub sent them.
func TestWhatExamplesBringToBranches(t *testing.T) {
	brought, seen := 0, 0
	for _, e := range payloads(t) {
		if e.event != "push" {
			continue
		}
		seen++
		d, err := Parse(e.event, "d-1", e.body, received, 0)
		if err != nil {
			t.Fatal(err)
		}
		if d.Arrival == nil {
			continue // a tag
		}
		brought++
		pushed := time.Date(2019, 5, 15, 15, 20, 57, 0, time.UTC)
		if p := *d.Arrival; d.Base != "master" || p.Before != "" || p.After != "6113728f27ae82c7b1a177c8d03f9e96e0adf246" || p.By.Login != "Codertocat" || !p.At.Equal(pushed) || p.Forced {
			t.Errorf("%s: %+v", d.Base, p)
		}
	}
	if brought == 0 || brought == seen {
		t.Errorf("%d of %d pushes brought something to a branch", brought, seen)
	}
}
