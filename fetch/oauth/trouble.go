package oauth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailretr/store/mail"
)

// Consent is the cause of a trouble that only the owner can end, by consenting (again). Found by errors.As.
type Consent struct{ Err error }

// Error says why.
func (c *Consent) Error() string { return c.Err.Error() }

// Unwrap returns why.
func (c *Consent) Unwrap() error { return c.Err }

// Wrong is the sentence for the owner's status.
func (c *Consent) Wrong() string { return "The provider wants somebody to sign in." }

// consent is the trouble of an account that nobody has consented for, or whose consent has ended.
func (a *Account) consent(err error) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Server: a.server(), Err: &Consent{err},
		Hint: "Sign in: mailretr login and the name of this maildrop."}
}

// foreign is the trouble of a provider that makes no sense.
func (a *Account) foreign(why string) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Protocol, Server: a.server(), Err: errors.New(why),
		Hint: "Look at the addresses in oauth: of the configuration."}
}

// trouble makes a *mail.Trouble of an error of the library. It has pages of the provider in it, which may
// echo what was sent, so only what is understood is shown, without secrets.
func (a *Account) trouble(err error, secrets ...string) *mail.Trouble {
	var known *mail.Trouble
	var said *oauth2.RetrieveError
	var request *url.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &said):
		return a.said(said, secrets)
	case errors.Is(err, errScheme):
		return a.local(errScheme)
	case errors.As(err, &request):
		return a.placed(mail.TroubleOf(mail.OpLogin, a.server(), unreached(request.Err, secrets)))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return a.placed(mail.TroubleOf(mail.OpLogin, a.server(), err))
	}
	return a.foreign("the provider's answer cannot be read")
}

func (a *Account) placed(t *mail.Trouble) *mail.Trouble {
	t.Err = fmt.Errorf("asking %s for an access token: %w", a.server(), t.Err)
	return t
}

// A stripped is an error whose text may quote what came from the line.
type stripped struct {
	error
	text string
	tls  bool
}

func (s *stripped) Error() string { return s.text }
func (s *stripped) Unwrap() error { return s.error }

// TLS is what mail.TroubleOf asks for.
func (s *stripped) TLS() bool { return s.tls }

func unreached(err error, secrets []string) error {
	var unverified *tls.CertificateVerificationError
	var alert tls.AlertError
	var plain tls.RecordHeaderError
	broken := errors.As(err, &unverified) || errors.As(err, &alert) || errors.As(err, &plain)
	return &stripped{error: err, text: strip(err.Error(), secrets), tls: broken}
}

// said is what a provider says of a request, by the words of RFC 6749, 5.2, and RFC 8628, 3.5.
func (a *Account) said(e *oauth2.RetrieveError, secrets []string) *mail.Trouble {
	status := 0
	var after time.Duration
	if e.Response != nil {
		status = e.Response.StatusCode
		after = retryAfter(e.Response.Header)
	}
	t := &mail.Trouble{Op: mail.OpLogin, Server: a.server(), Reply: strconv.Itoa(status)}
	code := word(e.ErrorCode)
	if code != "" {
		t.Reply += " " + code
		if about := strip(e.ErrorDescription, secrets); about != "" {
			t.Reply += ": " + about
		}
	}
	switch {
	case code == "invalid_client" || code == "unauthorized_client":
		t.Kind = mail.Auth
		t.Hint = "Check client_id and client_secret of oauth: " + a.provider.Name + " in the configuration."
	case status == http.StatusTooManyRequests || status >= 500 || code == "temporarily_unavailable":
		t.Kind, t.After = mail.Busy, after
	case status >= 300 && status < 400:
		t.Kind, t.Err = mail.Protocol, errors.New("the provider sends us elsewhere, where no token may go")
		t.Hint = "Look at token_url in oauth: of the configuration."
	case code == "":
		t.Kind, t.Hint = mail.Protocol, "Look at token_url in oauth: of the configuration."
	case code == "expired_token":
		x := a.late()
		t.Kind, t.Err = x.Kind, x.Err
	case code == "access_denied" || code == "authorization_declined": // Microsoft says it so
		x := a.consent(errors.New("the owner did not consent"))
		t.Kind, t.Err, t.Hint = x.Kind, x.Err, x.Hint
	default:
		x := a.consent(fmt.Errorf("the consent has ended (%s)", code))
		t.Kind, t.Err, t.Hint = x.Kind, x.Err, x.Hint
	}
	return t
}

// late is the trouble of a code that is of no use any more.
func (a *Account) late() *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Server: a.server(), Err: errors.New("nobody entered the code in time")}
}

// word returns an error code, if it is one.
func word(code string) string {
	if len(code) > 60 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code
}

// longWord is from how many characters on a word of a description is left out: tokens have more, words of
// people less.
const longWord = 20

// strip takes what may be a secret, or a piece of one, out of a description.
func strip(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		for _, form := range []string{s, url.QueryEscape(s), base64.StdEncoding.EncodeToString([]byte(s)),
			base64.RawURLEncoding.EncodeToString([]byte(s))} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	var b strings.Builder
	for w := range strings.FieldsSeq(mail.Printable(text, 1000)) {
		if len(w) > longWord {
			w = "***"
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if b.WriteString(w); b.Len() > 200 {
			break
		}
	}
	return b.String()
}

// retryAfter reads a number of seconds (RFC 9110, 10.2.3); a day is the most that is believed.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}
