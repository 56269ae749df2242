package control

import (
	"io"
	"net/http"
	"sync"
)

// Local returns a client of a house in the same process: requests go straight to the handler, answers come
// back as they are written. The house stays the caller's.
func Local(h House) *Client {
	s := &Server{House: h}
	return &Client{http: &http.Client{Transport: inside{s.Handler()}}}
}

// inside is an http.RoundTripper that calls a handler.
type inside struct{ h http.Handler }

// RoundTrip returns when the handler has written its first octets, or has ended.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	a := &answer{
		header: http.Header{}, body: pw, ready: make(chan struct{}),
		response: &http.Response{ProtoMajor: 1, ProtoMinor: 1, Body: pr, Request: r, ContentLength: -1},
	}
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	go func() {
		// A handler that gives up, as http.ErrAbortHandler says, leaves an answer that does not look whole.
		defer func() {
			err := io.EOF
			if p := recover(); p == http.ErrAbortHandler {
				err = io.ErrUnexpectedEOF
			} else if p != nil {
				panic(p)
			}
			a.WriteHeader(http.StatusOK)
			pw.CloseWithError(err)
		}()
		i.h.ServeHTTP(a, r)
	}()
	<-a.ready
	return a.response, nil
}

// answer is an http.ResponseWriter and http.Flusher. The handler writes, RoundTrip's caller reads.
type answer struct {
	header   http.Header
	body     *io.PipeWriter
	once     sync.Once
	ready    chan struct{} // closed when response is complete but for its body
	response *http.Response
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.once.Do(func() {
		a.response.StatusCode = status
		a.response.Status = http.StatusText(status)
		a.response.Header = a.header.Clone()
		close(a.ready)
	})
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush has nothing to do: a pipe keeps nothing.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }
