package demo

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/changegate/changegate/internal/githubsim"
)

// newBrowser returns a context of a Chromium with nothing in it.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal(`there is no Chromium: run "make test", which installs one`)
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1400),
	)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute) // the test would hang where it should fail
	t.Cleanup(cancel)
	return ctx
}

// startDemo returns the server and the embedded GitHub, which end with the test.
func startDemo(t *testing.T) *running {
	t.Helper()
	var out bytes.Buffer
	d, err := start(t.Context(), options(t, &out), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

type action = chromedp.Action[chromedp.Void]

func click(xpath string) action { return chromedp.Click(chromedp.Search(xpath)) }
func see(xpath string) action   { return chromedp.WaitVisible(chromedp.Search(xpath)) }

// actAs chooses who acts, on the page of a pull request or an issue.
func actAs(login string) action {
	return chromedp.Steps(chromedp.SendKeys(chromedp.CSS("#acting"), login), see(fmt.Sprintf(`//h2[.="Comment as %s"]`, login)))
}

// comment writes a comment there.
func comment(text string) action {
	return chromedp.Steps(chromedp.SendKeys(chromedp.CSS("#commentbody"), text), click(`//button[.="Comment"]`))
}

// doing returns a function that has the browser do something.
func doing(ctx context.Context, t *testing.T) func(what string, actions ...action) {
	return func(what string, actions ...action) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestBrowser acts on the pages as a person would, in a real browser, with the real server answering.
func TestBrowser(t *testing.T) {
	ctx, d := newBrowser(t), startDemo(t)
	run := doing(ctx, t)
	// check waits until the page says that of the check.
	check := func(dot, title string) action {
		return see(fmt.Sprintf(`//summary[span[@class="tag"] and span[@class="dot %s"]]/span[contains(., "%s")]`, dot, title))
	}

	run("opening a pull request as alice",
		chromedp.Navigate(d.sim.URL()+"/acme/shop"),
		click(`//a[.="Open a pull request"]`),
		click(`//a[contains(., "Send orders to the islands")]`),
		click(`//button[contains(., "as alice")]`),
		check("wait", "Normal: 0 of 1 approval"),
	)
	run("merging too early", click(`//button[@id="merge"]`), see(`//p[@role="alert"]`))
	refused, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(`[role="alert"]`)))
	if want := `Required status check "Change policy" is in progress.`; err != nil || !strings.Contains(refused, want) {
		t.Errorf("merging too early says %q, %v, want %q", refused, err, want)
	}
	run("approving as bob", actAs("bob"), click(`//button[@id="submit-review"]`), check("good", "Normal: approved by bob"))

	// Somebody else acts elsewhere: the open page follows without being loaded again.
	pull := githubsim.Pull{Repo: repo, Number: 1}
	if err := d.sim.As("frank").RequestChanges(pull, "Sylt is not the only island."); err != nil {
		t.Fatal(err)
	}
	run("following frank's objection", check("bad", "changes requested"))
	if err := d.sim.As("frank").Approve(pull); err != nil {
		t.Fatal(err)
	}
	run("following frank's approval", check("good", "Normal: approved by"))
	run("merging as bob", click(`//button[@id="merge"]`), see(`//span[.="Merged"]`))

	// What was merged ships by itself, and the open page follows.
	ticks, ended := make(chan time.Time), make(chan error, 1)
	working, end := context.WithCancel(t.Context())
	go func() { ended <- d.workflow.run(working, d.sim, ticks) }()
	ship := func(what, environment, state string) {
		t.Helper()
		for range 2 {
			ticks <- time.Time{}
		}
		run(what, see(fmt.Sprintf(`//ol[@class="timeline"]//tr[td[contains(., "%s")] and td[contains(., "%s")]]`, environment, state)))
	}
	ship("seeing it go on from staging", "production", "🚀 deploying")
	ship("seeing it in production", "production", "👀 watching")
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	run("saying too early that it works", comment(`/change verified "too early"`), see(`//ol[@class="timeline"]//p[contains(., "has to be watched until")]`))
	run("letting the time pass", click(`//button[.="30 minutes later"]`), see(`//ol[@class="timeline"]//p[contains(., "Does it work?")]`))
	run("saying that it works", comment(`/change verified "parcels go out"`), see(`//ol[@class="timeline"]//tr[contains(., "verified by bob")]`), see(`//p[@class="reactions" and contains(., "👍")]`))
	run("looking at the deployments", click(`//a[.="Deployments"]`), see(`//section[@aria-label="Environment production" and contains(., "Send orders to the islands")]`),
		see(`//article[contains(@class, "run") and contains(., "production")]//button[contains(., "Re-run")]`))

	fits(ctx, t, d, "", "/new", "/people", "/pull/1", "/pull/1/files", "/deployments")
}

// fits fails the test where a page of the repository is wider than a phone's screen.
func fits(ctx context.Context, t *testing.T, d *running, paths ...string) {
	t.Helper()
	var wide []string
	for _, path := range paths {
		doing(ctx, t)("a phone's "+path, chromedp.EmulateViewport(380, 800), chromedp.Navigate(d.sim.URL()+"/acme/shop"+path))
		width, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
		if err != nil {
			t.Fatal(err)
		}
		if width > 380 {
			wide = append(wide, fmt.Sprintf("%s: %d", path, width))
		}
	}
	if len(wide) > 0 {
		t.Errorf("wider than a phone's 380 points: %v", wide)
	}
}

// TestBrowser_Issues settles what the story leaves owed, and what goes past the policy after it, on the issues' pages.
func TestBrowser_Issues(t *testing.T) {
	ctx, d := newBrowser(t), startDemo(t)
	run := doing(ctx, t)
	var out bytes.Buffer
	unverified := chapter{proposal: "02-code", title: "Nobody says that it works", lesson: "It is an exception.", steps: []step{
		open("alice"), tests(), approve("bob"), merge("alice"), deploys("staging"), deploys("production"), later(30 * time.Minute), later(2 * time.Hour),
	}}
	teller := &teller{sim: d.sim, clock: d.clock, elapse: d.app.Elapse, idle: d.app.Idle, story: append(story(), unverified), out: &out}
	if err := teller.play(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	state := func(word string) action {
		return see(fmt.Sprintf(`//span[contains(@class, "state") and .="%s"]`, word))
	}
	says := func(text string) action {
		return see(fmt.Sprintf(`//ol[@class="timeline"]//p[contains(., "%s")]`, text))
	}

	run("finding the exception", chromedp.Navigate(d.sim.URL()+"/acme/shop"), click(`//nav/a[starts-with(., "Issues")]`),
		click(`//a[.="Change policy exception: not verified (#8)"]`), see(`//h1[contains(., "not verified")]`))
	run("explaining it as who merged", comment(`/change explain "I forgot"`), says("alice did this and cannot be the one who explains it."), state("Open"))
	run("explaining it as a tech lead", actAs("dave"), comment(`/change explain "parcels went out"`), says("Explained by dave."), state("Closed"))

	run("finding the retrospective", click(`//nav/a[starts-with(., "Issues")]`),
		click(`//a[contains(., "Retrospective: EMERGENCY #4")]`), see(`//h2[.="Follow-ups"]`), actAs("carol"))
	run("closing it as it is", click(`//button[@id="close"]`), says("Reopened, because these sections say nothing yet"), state("Open"))
	owed, err := d.sim.IssueView(repo, 5)
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`<!-- [^-]+\? -->|<!-- [^-]+issues\. -->`).ReplaceAllString(owed.Body, "It is written.")
	run("writing it", click(`//summary[.="Edit"]`), chromedp.SetValue(chromedp.CSS("#newbody"), written), click(`//button[@id="save"]`),
		see(`//div[@class="prose"]/p[.="It is written."]`))
	run("closing it", click(`//button[@id="close"]`), state("Closed"))

	// Once it is due, carol may declare another emergency: it was accepted.
	run("letting it become due", click(`//button[.="The next morning"]`), see(`//time[contains(., "Wed 18 Nov 2026, 09:00")]`),
		click(`//button[.="The next morning"]`), see(`//time[contains(., "Thu 19 Nov 2026, 09:00")]`))
	run("declaring another", chromedp.Navigate(d.sim.URL()+"/acme/shop/new?change=12-emergency"), click(`//button[contains(., "as carol")]`),
		see(`//h2[.="Comment as carol"]`), chromedp.SendKeys(chromedp.CSS("#label"), emergency), click(`//button[.="Add"]`),
		see(`//summary[span[@class="dot good"]]/span[contains(., "Emergency: 1 approval due")]`))
	fits(ctx, t, d, "/issues", "/issues/5", "/issues/9")
}
