package oauth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// answering dials a provider that says this, whatever it is asked; @ in it is what it was sent.
func answering(said string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			r, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil || r.ParseForm() != nil {
				return
			}
			fmt.Fprint(theirs, strings.ReplaceAll(said, "@", r.Form.Get("refresh_token")))
		}()
		return ours, nil
	}
}

// FuzzAnswer: a provider that says anything, in place of any answer, gets no secret shown, and no consent
// replaced but by a token.
func FuzzAnswer(f *testing.F) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	f.Add(ok + "\r\n{\"access_token\":\"a\",\"expires_in\":3600}")
	f.Add(ok + "\r\n{\"access_token\":\"a\",\"refresh_token\":\"b\",\"expires_in\":\"9999999999999999999\"}")
	f.Add(ok + "\r\n{\"access_token\":\"a\",\"refresh_token\":\"b\",\"expires_in\":-1}")
	f.Add("HTTP/1.1 400 @\r\nContent-Type: application/json\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"@\"}")
	f.Add("HTTP/1.1 400 @\r\nContent-Type: text/plain\r\n\r\nerror=@&error_description=x@y&error_uri=@")
	f.Add("HTTP/1.1 302 @\r\nLocation: https://evil.example/@\r\n\r\n")
	f.Add("HTTP/1.1 429 x\r\nRetry-After: 99999999999999\r\n\r\n")
	f.Add("@\r\n\r\n")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n@\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		if strings.Contains(said, "canary") {
			return
		}
		store := &memory{}
		k := &Keeper{Store: store, Key: func() (Key, error) { return derive([]byte("a key")) }}
		p := Provider{Name: "test", ClientID: "id", TokenURL: "http://127.0.0.1/token", Dial: answering(said)}
		a := k.Account(p, "jaco")
		a.loaded, a.grant = true, &grant{Refresh: "refresh-canary-0123456789abcdef", At: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		token, err := a.Token(ctx)
		var x *mail.Trouble
		switch {
		case err == nil && (token == "" || strings.ContainsAny(token, "\r\n\x00\x01 ") || store.saves != 1):
			t.Errorf("%q gave %q, saved %d times", said, token, store.saves)
		case err != nil && !errors.As(err, &x):
			t.Errorf("%T: %v", err, err)
		case err != nil && strings.Contains(x.Error()+x.Reply+x.Hint, "canary"):
			t.Errorf("%q: shows a token: %v %s", said, err, x.Hint)
		case err != nil && (store.saves > 0 || a.grant.Refresh != "refresh-canary-0123456789abcdef"):
			t.Errorf("%q: the consent was replaced: %v", said, err)
		}
	})
}
