package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// browse is a command of scripts: it signs in, and asks for a page, or sends a form where there are fields.
func browse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: browse SOCKET USER PASSWORD PATH [FIELD=VALUE…]")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", ts.MkAbs(args[0]))
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	show := func(r *http.Response, err error) {
		ts.Check(err)
		defer r.Body.Close()
		b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%d %s\n%s", r.StatusCode, r.Request.URL.Path, b)
	}
	form := url.Values{"user": {args[1]}, "password": {args[2]}}
	r, err := c.PostForm("http://localhost/sign-in", form)
	if err != nil || r.StatusCode != http.StatusOK {
		show(r, err)
		return
	}
	ts.Check(r.Body.Close())
	if len(args) == 4 {
		show(c.Get("http://localhost" + args[3]))
		return
	}
	form = url.Values{}
	for _, x := range args[4:] {
		key, value, _ := strings.Cut(x, "=")
		form.Add(key, value)
	}
	show(c.PostForm("http://localhost"+args[3], form))
}
