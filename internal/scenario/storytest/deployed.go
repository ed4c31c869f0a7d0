package storytest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/gate"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// deploysShow N|HEAD ENVIRONMENT [STATE…]: what GitHub shows of the deployment of that commit to the environment: its states, oldest first.
// There is no other; with ! there is none.
func deploysShow(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	found := w.deploymentsOf(ts, args[1], w.landedAs(ts, args[0]))
	if neg {
		if len(found) > 0 {
			ts.Fatalf("there is a deployment: %+v", found)
		}
		return
	}
	if want := strings.Join(args[2:], " "); len(found) != 1 || states(found[0]) != want {
		ts.Fatalf("there are %d, expected one as %q: %+v\n%s", len(found), want, found, w.troubles())
	}
}

// rollbackShows N ENVIRONMENT [STATE…]: the same of the newest deployment of the pull request's commit there, which there was before.
func rollbackShows(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	found := w.deploymentsOf(ts, args[1], w.landedAs(ts, args[0]))
	if len(found) < 2 {
		ts.Fatalf("there is no rollback: %+v\n%s", found, w.troubles())
	}
	newest := found[len(found)-1]
	if got, want := states(newest), strings.Join(args[2:], " "); got != want || !strings.Contains(string(newest.Payload), `"undoes":`) {
		ts.Fatalf("it went %q, expected %q: %+v\n%s", got, want, found, w.troubles())
	}
}

// states lists a deployment's states, oldest first.
func states(d githubsim.DeploymentView) string {
	var all []string
	for _, s := range d.Statuses {
		all = append(all, s.State)
	}
	return strings.Join(all, " ")
}

// payload N|HEAD ENVIRONMENT TEXT: what goes along with the deployment contains the text, or matches /a regular expression/.
func payloadSays(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	deployments := w.deploymentsOf(ts, args[1], w.landedAs(ts, args[0]))
	if len(deployments) == 0 {
		ts.Fatalf("there is no deployment")
	}
	if payload := string(deployments[0].Payload); holds(ts, args[2], payload) == neg {
		ts.Fatalf("its payload is %s", payload)
	}
}

// holds says whether a text contains another, or matches /a regular expression/.
func holds(ts *testscript.TestScript, want, text string) bool {
	if len(want) > 1 && strings.HasPrefix(want, "/") && strings.HasSuffix(want, "/") {
		return matches(ts, want, text)
	}
	return strings.Contains(text, want)
}

// isStanding is how the comment begins that says how a pull request stands in each environment.
const isStanding = "**Deployments**"

// stands N ENVIRONMENT TEXT: the one comment that says how the pull request stands says this of the environment; with ! it does not.
// stands N none: there is no such comment.
func stands(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	all, err := w.Sim.Comments(w.numbered(ts, args[0]))
	ts.Check(err)
	var found []string
	for _, c := range all {
		if strings.HasPrefix(c.Body, isStanding) {
			found = append(found, html.UnescapeString(c.Body))
		}
	}
	if len(args) == 2 {
		if len(found) != 0 {
			ts.Fatalf("there is one: %s", found)
		}
		return
	}
	if len(found) != 1 {
		ts.Fatalf("there are %d comments that say how it stands: %s\n%s", len(found), found, w.troubles())
	}
	row := ""
	for line := range strings.Lines(found[0]) {
		if strings.HasPrefix(line, "| `"+args[1]+"` |") {
			row = strings.TrimSpace(line)
		}
	}
	if holds(ts, args[2], row) == neg {
		ts.Fatalf("it stands:\n%s\n%s", found[0], w.troubles())
	}
}

// answered N REACTION [TEXT]: the newest command on the pull request got this reaction, and an answer that contains the text, or matches
// /a regular expression/; without a text there is no answer.
func answered(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	all, err := w.Sim.Comments(w.numbered(ts, args[0]))
	ts.Check(err)
	given := -1
	for i, c := range all {
		if strings.HasPrefix(c.Body, "/change") {
			given = i
		}
	}
	if given < 0 {
		ts.Fatalf("there is no command")
	}
	reaction, says := "none", ""
	for _, r := range all[given].Reactions {
		reaction = r.Content
	}
	for _, c := range all[given+1:] {
		if !strings.HasPrefix(c.Body, isStanding) {
			says = html.UnescapeString(c.Body)
			break
		}
	}
	if reaction != args[1] || len(args) > 2 && !holds(ts, args[2], says) || len(args) == 2 && says != "" {
		ts.Fatalf("%s got %s:\n%s\n%s", all[given].Body, reaction, says, w.troubles())
	}
}

// job ENVIRONMENT STATE: the newest job about the environment is queued, waiting, in_progress, or ended as success, failure, ….
func jobIs(ts *testscript.TestScript, neg bool, args []string) {
	run := worldOf(ts).newestRun(ts, args[0])
	got := run.Status
	if run.Conclusion != "" {
		got = run.Conclusion
	}
	if (got == args[1]) == neg {
		ts.Fatalf("it is %s: %+v\n%s", got, run, worldOf(ts).troubles())
	}
}

// rule ENVIRONMENT ANSWER TEXT: what we said last of the newest job that waits for our rule, where ANSWER is approved, rejected or waiting.
// rule ENVIRONMENT COUNT: how often we said something.
func ruleSays(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	run := w.newestRun(ts, args[0])
	if len(args) == 2 {
		if fmt.Sprint(len(run.Comments)) != args[1] {
			ts.Fatalf("we said %d things: %+v", len(run.Comments), run.Comments)
		}
		return
	}
	if len(run.Comments) == 0 {
		ts.Fatalf("we said %+v\n%s", run.Comments, w.troubles())
	}
	last := run.Comments[len(run.Comments)-1]
	if last.State == "" {
		last.State = "waiting"
	}
	if last.State != args[1] || !holds(ts, args[2], html.UnescapeString(last.Text)) {
		ts.Fatalf("we said %s: %s\n%s", last.State, last.Text, w.troubles())
	}
}

// gate ENVIRONMENT ANSWER [TEXT]: the newest job about the environment, which is in progress, runs changegate gate, which prints the text, or
// what matches /a regular expression/, and exits as ANSWER has it: go, no or not-yet. The environment may be followed by what it asks
// about instead, as in staging:production.
//
// gate token:ENVIRONMENT N|HEAD ANSWER [TEXT]: the static token is used, about a commit.
//
// gate twice:ENVIRONMENT ANSWER [TEXT]: the second time that a token is used.
func gateSays(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	s := &scene{world: w, ts: ts, args: args}
	environment := s.next("the environment")
	how, what, _ := strings.Cut(environment, ":")
	var ask func() (string, string, error)
	switch {
	case how == "token":
		sha := w.landedAs(ts, s.next("the pull request or the head"))
		ask = func() (string, string, error) { return w.askWithToken(what, sha) }
	case how == "twice":
		ask = func() (string, string, error) { return w.askTwice(ts, what) }
	case what != "":
		ask = func() (string, string, error) { return w.ask(ts, how, what) }
	default:
		ask = func() (string, string, error) { return w.ask(ts, environment, environment) }
	}
	var answer, says string
	w.act(ts, func() (err error) {
		answer, says, err = ask()
		return err
	})
	if answer != s.next("the answer") || len(s.args) > 0 && !holds(ts, s.args[0], says) {
		ts.Fatalf("it exited as %s: %s\n%s", answer, says, w.troubles())
	}
}

// ask asks as the job of an environment does, about an environment.
func (w *world) ask(ts *testscript.TestScript, job, about string) (answer, says string, err error) {
	address, token, err := w.Sim.TokenRequest(w.newestRun(ts, job).Run)
	if err != nil {
		return "", "", err
	}
	return w.changegate([]string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + token},
		"--environment", about, "--audience", worldtest.Audience)
}

func (w *world) askWithToken(environment, sha string) (answer, says string, err error) {
	file := filepath.Join(w.Dir, ".gate-token")
	if err := os.WriteFile(file, []byte(worldtest.GateToken+"\n"), 0o600); err != nil {
		return "", "", err
	}
	return w.changegate(nil, "--environment", environment, "--token-file", file, "--commit", sha)
}

// changegate runs changegate gate as a program of its own.
func (w *world) changegate(env []string, args ...string) (answer, says string, err error) {
	cmd := exec.Command("changegate", append([]string{"gate", "--server", "http://" + w.Server.Addr()}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", "", err
	}
	answers := map[int]string{0: "go", 1: "no", 75: "not-yet"}
	return answers[cmd.ProcessState.ExitCode()], string(out), nil
}

// askTwice asks twice with the same token, as whoever found it in a log would, and returns the second answer.
func (w *world) askTwice(ts *testscript.TestScript, environment string) (answer, says string, err error) {
	token, err := w.Sim.JobToken(w.newestRun(ts, environment).Run, githubsim.TokenOptions{Audience: worldtest.Audience})
	if err != nil {
		return "", "", err
	}
	client := gate.Client{
		Server: "http://" + w.Server.Addr(), HTTP: http.DefaultClient, Now: w.Now,
		Token: func(context.Context) (string, error) { return token, nil },
	}
	var reply gate.Reply
	for range 2 {
		if reply, err = client.Ask(context.Background(), gate.Question{Environment: environment}); err != nil {
			return "", "", err
		}
	}
	return strings.ReplaceAll(string(reply.Answer), string(release.NotYet), "not-yet"), reply.Reason, nil
}

// troubles returns what the server warned of, so that a failure explains itself.
func (w *world) troubles() string {
	return strings.Join(append(w.Log.Lines("warn"), w.Log.Lines("error")...), "\n")
}
