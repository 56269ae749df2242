//go:build interop

package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mailretr/test/real"
)

// TestBrowserNotices: what no page of ours may do is noticed where a page does it.
func TestBrowserNotices(t *testing.T) {
	foreign := httptest.NewServer(http.NotFoundHandler())
	defer foreign.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<html><body><img src="%s/x.png"><p style="color:#eee;background:#fff">hardly seen</p><input>
			<a href="/next">next</a><script>alert("here"); document.body.append("ran"); nonsense()</script>`, foreign.URL)
	}))
	defer bad.Close()
	b := real.Chromium(t, true)
	if status := b.Open(bad.URL); status != 200 {
		t.Errorf("status %d", status)
	}
	if axe := strings.Join(b.Axe(), "\n"); !strings.Contains(axe, "color-contrast") || !strings.Contains(axe, "label") {
		t.Errorf("axe finds only:\n%s", axe)
	}
	harm := strings.Join(b.Harm(bad.URL), "\n")
	for _, want := range []string{"a dialog: here", "a request: " + foreign.URL, "nonsense"} {
		if !strings.Contains(harm, want) {
			t.Errorf("%s is not noticed:\n%s", want, harm)
		}
	}
	b.Follow(`//a[.="next"]`)
	if b.URL() != bad.URL+"/next" {
		t.Errorf("it is at %s", b.URL())
	}
	quiet := real.Chromium(t, false)
	quiet.Open(bad.URL)
	if strings.Contains(quiet.Text(), "ran") || len(quiet.Axe()) == 0 {
		t.Error("scripts of pages run, or ours do not")
	}
}
