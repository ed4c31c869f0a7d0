package demo

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
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

// TestBrowser acts on the pages as a person would, in a real browser, with the real server answering.
func TestBrowser(t *testing.T) {
	ctx := newBrowser(t)
	var out bytes.Buffer
	d, err := start(t.Context(), options(t, &out), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	}()

	type action = chromedp.Action[chromedp.Void]
	run := func(what string, actions ...action) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	click := func(xpath string) action { return chromedp.Click(chromedp.Search(xpath)) }
	see := func(xpath string) action { return chromedp.WaitVisible(chromedp.Search(xpath)) }
	// check waits until the page says that of the check.
	check := func(dot, title string) action {
		return see(fmt.Sprintf(`//summary[span[@class="tag"] and span[@class="dot %s"]]/span[contains(., "%s")]`, dot, title))
	}
	actAs := func(login string) action {
		return chromedp.Steps(chromedp.SendKeys(chromedp.CSS("#acting"), login), see(fmt.Sprintf(`//h2[.="Review as %s"]`, login)))
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
	comment := func(text string) action {
		return chromedp.Steps(chromedp.SendKeys(chromedp.CSS("#commentbody"), text), click(`//button[.="Comment"]`))
	}
	run("saying too early that it works", comment(`/change verified "too early"`), see(`//ol[@class="timeline"]//p[contains(., "is to be watched until")]`))
	run("letting the time pass", click(`//button[.="30 minutes later"]`), see(`//ol[@class="timeline"]//p[contains(., "Does it work?")]`))
	run("saying that it works", comment(`/change verified "parcels go out"`), see(`//ol[@class="timeline"]//tr[contains(., "verified by bob")]`), see(`//p[@class="reactions" and contains(., "👍")]`))
	run("looking at the deployments", click(`//a[.="Deployments"]`), see(`//section[@aria-label="Environment production" and contains(., "Send orders to the islands")]`),
		see(`//article[contains(@class, "run") and contains(., "production")]//button[contains(., "Re-run")]`))

	// Nothing is wider than a phone's screen.
	var wide []string
	for _, path := range []string{"", "/new", "/people", "/pull/1", "/pull/1/files", "/deployments"} {
		run("a phone's "+path, chromedp.EmulateViewport(380, 800), chromedp.Navigate(d.sim.URL()+"/acme/shop"+path))
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
