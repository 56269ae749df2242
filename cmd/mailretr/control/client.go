package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// A Client asks a server. Safe for concurrent use. Errors are *Error.
type Client struct{ http *http.Client }

// Dial returns a client of the daemon behind a socket. Nothing is sent yet; see Answers.
func Dial(socket string) *Client {
	d := net.Dialer{Timeout: 5 * time.Second}
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression:     true,
		MaxIdleConns:           2,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  5 * time.Minute, // the first octet of a list comes after it was sorted
		MaxResponseHeaderBytes: 64 << 10,
	}}}
}

// Answers says whether a daemon answers, and who. It is an error when one is there that must not be asked, or does
// not answer well.
func (c *Client) Answers(ctx context.Context) (v Version, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	v, err = c.Version(ctx)
	var e *Error
	if errors.As(err, &e) && e.Code == Unavailable && e.nobody {
		return Version{}, false, nil
	}
	return v, err == nil, err
}

// Close gives connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ask sends a request; body nil is a GET. The caller closes the answer.
func (c *Client) ask(ctx context.Context, path string, body any) (io.ReadCloser, error) {
	method, octets := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if octets, err = json.Marshal(body); err != nil {
			return nil, ErrorOf(err)
		}
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://mailretr"+path, bytes.NewReader(octets))
	if err != nil {
		return nil, ErrorOf(err)
	}
	return c.send(ctx, r)
}

// send sends a request that is whole. The caller closes the answer.
func (c *Client) send(ctx context.Context, r *http.Request) (io.ReadCloser, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	for _, err := range items[json.RawMessage](resp.Body) {
		var e *Error
		if errors.As(err, &e) && e.Code != Unavailable {
			return nil, e
		}
	}
	return nil, &Error{Code: Unavailable, Text: "the daemon answers with HTTP status " + resp.Status,
		Hint: otherVersion}
}

// unreachable says why nothing answered.
func unreachable(ctx context.Context, err error) *Error {
	switch {
	case ctx.Err() != nil:
		return ErrorOf(ctx.Err())
	case errors.Is(err, fs.ErrPermission):
		return &Error{Code: Denied, Text: "the daemon's control socket may not be used by you",
			Hint: "be root, or a member of the socket's group"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Code: Unavailable, Text: "no daemon answers", Hint: "start one with: mailretr serve", nobody: true}
	}
	return &Error{Code: Unavailable, Text: fmt.Sprintf("the daemon cannot be asked: %v", err)}
}

// one asks for one object.
func one[T any](ctx context.Context, c *Client, path string, body any) (v T, err error) {
	for x, err := range many[T](ctx, c, path, body) {
		return x, err
	}
	return v, cut(nil)
}

// none asks for nothing but the end.
func none(ctx context.Context, c *Client, path string, body any) error {
	for _, err := range many[json.RawMessage](ctx, c, path, body) {
		if err != nil {
			return err
		}
	}
	return nil
}

// many asks for a list, which is read as it comes.
func many[T any](ctx context.Context, c *Client, path string, body any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		answer, err := c.ask(ctx, path, body)
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		defer answer.Close()
		for x, err := range items[T](answer) {
			if err != nil && ctx.Err() != nil {
				err = ErrorOf(ctx.Err())
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

// List yields messages in order of queueing.
func (c *Client) List(ctx context.Context, q ListRequest) iter.Seq2[Message, error] {
	return many[Message](ctx, c, "/v1/queue/list", q)
}

// ListJSON is List for who passes the messages on as they are.
func (c *Client) ListJSON(ctx context.Context, q ListRequest) iter.Seq2[json.RawMessage, error] {
	return many[json.RawMessage](ctx, c, "/v1/queue/list", q)
}

// Show returns one message, by its id, or a unique beginning or ending of it.
func (c *Client) Show(ctx context.Context, id string) (Message, error) {
	return one[Message](ctx, c, "/v1/queue/"+url.PathEscape(id), nil)
}

// Cat opens the octets of a message, or only those of its header section. The caller closes it.
func (c *Client) Cat(ctx context.Context, id string, header bool) (io.ReadCloser, error) {
	path := "/v1/queue/" + url.PathEscape(id) + "/octets"
	if header {
		path += "?part=header"
	}
	return c.ask(ctx, path, nil)
}

// Change does something to messages, and yields what it did as it is done.
func (c *Client) Change(ctx context.Context, v Verb, q ChangeRequest) iter.Seq2[Change, error] {
	return many[Change](ctx, c, "/v1/queue/"+string(v), q)
}

// Version says who answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return one[Version](ctx, c, "/v1/version", nil)
}

// Reload makes the daemon read its configuration again. An error means that it goes on with the one it has.
func (c *Client) Reload(ctx context.Context) error {
	return none(ctx, c, "/v1/reload", struct{}{})
}

// Poll collects now, and yields how far it is and how it ended for each maildrop. Ending the loop, or ctx,
// stops what was begun for it alone.
func (c *Client) Poll(ctx context.Context, q PollRequest) iter.Seq2[Polled, error] {
	return many[Polled](ctx, c, "/v1/poll", q)
}

// Pause stops collecting from a maildrop, restarts included.
func (c *Client) Pause(ctx context.Context, maildrop string) error {
	return none(ctx, c, "/v1/maildrop/"+url.PathEscape(maildrop)+"/pause", PauseRequest{})
}

// Resume collects from it again.
func (c *Client) Resume(ctx context.Context, maildrop string) error {
	return none(ctx, c, "/v1/maildrop/"+url.PathEscape(maildrop)+"/resume", PauseRequest{})
}

// PauseByOwner is Pause for who owns the maildrop: he may resume it himself. Denied where an admin has paused it.
func (c *Client) PauseByOwner(ctx context.Context, maildrop string) error {
	return none(ctx, c, "/v1/maildrop/"+url.PathEscape(maildrop)+"/pause", PauseRequest{Owner: true})
}

// ResumeByOwner is Resume for who owns the maildrop. Denied where an admin has paused it.
func (c *Client) ResumeByOwner(ctx context.Context, maildrop string) error {
	return none(ctx, c, "/v1/maildrop/"+url.PathEscape(maildrop)+"/resume", PauseRequest{Owner: true})
}

// Marks yields what is remembered of the messages of a maildrop, in no order.
func (c *Client) Marks(ctx context.Context, q SeenRequest) iter.Seq2[Mark, error] {
	return many[Mark](ctx, c, "/v1/seen/list", q)
}

// Seen does something to marks, and returns to how many.
func (c *Client) Seen(ctx context.Context, v SeenVerb, q SeenRequest) (int, error) {
	n, err := one[Count](ctx, c, "/v1/seen/"+string(v), q)
	return n.Count, err
}

// Login begins a sign-in, and yields what the owner has to do; in the device flow also that it is done.
func (c *Client) Login(ctx context.Context, maildrop string, q LoginRequest) iter.Seq2[Login, error] {
	return many[Login](ctx, c, "/v1/login/"+url.PathEscape(maildrop), q)
}

// ForgetLogin forgets the consent of a maildrop.
func (c *Client) ForgetLogin(ctx context.Context, maildrop string) (Login, error) {
	return one[Login](ctx, c, "/v1/login/"+url.PathEscape(maildrop)+"/forget", struct{}{})
}

// FinishLogin ends a sign-in that was begun with a browser.
func (c *Client) FinishLogin(ctx context.Context, maildrop string, q LoginFinish) (Login, error) {
	return one[Login](ctx, c, "/v1/login/"+url.PathEscape(maildrop)+"/finish", q)
}
