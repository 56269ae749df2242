package real

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// A Browser is a Chromium without a window, with one tab. What does not come within patience fails the test, with the text
// of the page.
type Browser struct {
	t       TB
	ctx     context.Context
	scripts bool // pages may run theirs

	mu       sync.Mutex
	requests []string
	dialogs  []string
	broken   []string
}

// patience is how long a page may take: the daemon, Chromium and other tests share the machine.
const patience = 20 * time.Second

// Chromium starts one with a profile of its own, which ends with the test. scripts: pages may run theirs.
func Chromium(t TB, scripts bool) *Browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("chromium is not installed: test/run installs it")
	}
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.WindowSize(1100, 900),
		chromedp.Flag("no-proxy-server", true), chromedp.WSURLReadTimeout(time.Minute))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own does not work for root
	}
	parent, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(parent)
	t.Cleanup(end)
	b := &Browser{t: t, ctx: ctx, scripts: scripts}
	if err := chromedp.Listen(ctx, b.heard); err != nil { // it starts
		t.Fatalf("starting Chromium: %v", err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, page.Enable, page.EnableParams{})
	call(b, cdplog.Enable, cdp.Empty{})
	b.allow(scripts)
	return b
}

// heard notes what happens beside what was asked.
func (b *Browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *page.EventJavascriptDialogOpening:
		b.dialogs = append(b.dialogs, e.Message)
		go func() { // here it would wait for itself; that there was one is told in any case
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	case *runtime.EventExceptionThrown:
		b.broken = append(b.broken, said(e.ExceptionDetails))
	case *cdplog.EventEntryAdded:
		if e.Entry.Source == cdplog.EntrySourceSecurity || e.Entry.Source == cdplog.EntrySourceViolation {
			b.broken = append(b.broken, e.Entry.Text)
		}
	}
}

// allow lets pages run scripts, or not.
func (b *Browser) allow(scripts bool) {
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
}

// said is what a script said at its end.
func said(x *runtime.ExceptionDetails) string {
	if x.Exception != nil {
		return x.Text + " " + x.Exception.Description
	}
	return x.Text
}

// call is a command of the protocol.
func call[P, R any](b *Browser, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, c, params)
	if err != nil {
		b.t.Fatalf("%s: %v", c.Method, err)
	}
	return r
}

// run is an action.
func run[T any](b *Browser, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Run(ctx, a)
	if err != nil {
		last, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		text, _ := chromedp.Run(last, chromedp.Evaluate[string]("document.body.innerText")) // whatever can be had
		b.t.Fatalf("%s: %v\nthe page:\n%s", what, err, text)
	}
	return r
}

// Open goes to a page, and returns the status of the answer.
func (b *Browser) Open(url string) (status int64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, chromedp.Navigate(url))
	if err != nil || r == nil {
		b.t.Fatalf("opening %s: %v", url, err)
	}
	return r.Status
}

// Follow clicks on what a CSS selector or an XPath finds, and waits for the page to which that leads.
func (b *Browser) Follow(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(selector)); err != nil {
		b.t.Fatalf("following %s: %v\nthe page:\n%s", selector, err, b.Text())
	}
}

// Click clicks, and goes nowhere.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	run(b, "clicking "+selector, chromedp.Click(selector))
}

// Fill types into a field, instead of what is there.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	run(b, "filling "+selector, chromedp.Steps(chromedp.Clear(selector), chromedp.SendKeys(selector, text)))
}

// Text is what can be read on the page.
func (b *Browser) Text() string {
	b.t.Helper()
	return Eval[string](b, "document.body.innerText")
}

// Source is the page as HTML.
func (b *Browser) Source() string {
	b.t.Helper()
	return Eval[string](b, "document.documentElement.outerHTML")
}

// URL is that of the page.
func (b *Browser) URL() string {
	b.t.Helper()
	return run(b, "asking for the URL", chromedp.Location())
}

// Eval evaluates JavaScript beside the page, whether that may run scripts or not.
func Eval[T any](b *Browser, script string) T {
	b.t.Helper()
	return run(b, "evaluating", chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// Await waits until the text of the page is so.
func (b *Browser) Await(what string, ok func(text string) bool) {
	b.t.Helper()
	Wait(b.t, patience, what, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		return err == nil && ok(text) // in between two pages there is none
	})
}

// Cookies are those that the browser keeps.
func (b *Browser) Cookies() []*network.Cookie {
	b.t.Helper()
	return call(b, storage.GetCookies, storage.GetCookiesParams{}).Cookies
}

// SetCookie plants a cookie for a URL.
func (b *Browser) SetCookie(url, name, value string) {
	b.t.Helper()
	call(b, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: url})
}

// Look says how wide the window is, and whether it is dark around it.
func (b *Browser) Look(width int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	run(b, "changing the width", chromedp.EmulateViewport(width, 900))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Shot takes a picture of the whole page, NAME.png in $MAILRETR_ARTEFACTS; without that it is not kept, but taken.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	picture := run(b, "taking a picture", chromedp.FullScreenshot(100))
	dir := os.Getenv("MAILRETR_ARTEFACTS")
	if dir == "" {
		return
	}
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Fatalf("keeping a picture: %v", err)
	}
}

// Harm is what no page may do: dialogs, errors of scripts and of the page's policy, and requests to elsewhere than prefix.
func (b *Browser) Harm(prefix string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.dialogs {
		all = append(all, "a dialog: "+d)
	}
	all = append(all, b.broken...)
	for _, url := range b.requests {
		if !strings.HasPrefix(url, prefix) && url != "about:blank" {
			all = append(all, "a request: "+url)
		}
	}
	return all
}

// Axe has axe-core look at the page, and returns what it finds to be serious or worse, a line for each place.
func (b *Browser) Axe() (found []string) {
	b.t.Helper()
	script, err := os.ReadFile("/var/cache/mailretr-test/axe/axe.min.js")
	if err != nil {
		b.t.Fatalf("axe-core is not here: test/unpack fetches it: %v", err)
	}
	b.allow(true) // it goes on in what it promises; the page, which is there already, begins nothing
	defer b.allow(b.scripts)
	Eval[bool](b, string(script)+";true")
	answer := Eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r =>
		JSON.stringify({violations: r.violations, passes: r.passes.length}))`)
	var r struct {
		Passes     int
		Violations []struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML, FailureSummary string }
		}
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil || r.Passes == 0 {
		b.t.Fatalf("axe says nothing: %v", err)
	}
	for _, v := range r.Violations {
		if v.Impact != "serious" && v.Impact != "critical" {
			b.t.Logf("axe finds %s: %s %s", v.Impact, v.ID, v.Help)
			continue
		}
		for _, n := range v.Nodes {
			found = append(found, fmt.Sprintf("%s %s: %s\n%s\n%s", v.Impact, v.ID, v.Help, n.HTML, n.FailureSummary))
		}
	}
	return found
}
