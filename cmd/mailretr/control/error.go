package control

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"

	"mailretr/store"
	"mailretr/store/mail"
)

// A Code says what kind of error it is. The words are part of the API: append, never rename.
type Code string

const (
	Usage       Code = "usage"       // the request makes no sense
	NotFound    Code = "notfound"    // no such message or maildrop
	Busy        Code = "busy"        // an attempt is under way, or another has the state
	Denied      Code = "denied"      // the peer may not ask
	Unavailable Code = "unavailable" // no daemon answers
	Tempfail    Code = "tempfail"    // try again later
	Config      Code = "config"      // the configuration has errors
	Full        Code = "full"        // no space
	Internal    Code = "internal"    // our mistake, or a broken disk
)

// An Error is what a request ends with when it fails.
type Error struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"` // what to do, a sentence; "" where we know none

	nobody bool // there is no daemon at all
}

// Error returns the text, escaped.
func (e *Error) Error() string { return mail.Printable(e.Text, 2000) }

func newError(code Code, text, hint string) *Error { return &Error{Code: code, Text: text, Hint: hint} }

// status is the code as HTTP has it (RFC 9110, 15).
func (c Code) status() int {
	switch c {
	case Usage:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Busy:
		return http.StatusConflict
	case Denied:
		return http.StatusForbidden
	case Unavailable, Tempfail:
		return http.StatusServiceUnavailable
	case Config:
		return http.StatusUnprocessableEntity
	case Full:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// ErrorOf returns the *Error in err, or makes one. nil gives nil.
func ErrorOf(err error) *Error {
	var e *Error
	var t *mail.Trouble
	var path *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrNotFound):
		return newError(NotFound, "there is no such message", "see what there is with: mailretr queue")
	case errors.Is(err, store.ErrEdit):
		return newError(Usage, err.Error(), "see it with: mailretr queue show ID")
	case errors.Is(err, store.ErrImport):
		return newError(Usage, err.Error(), "it has to be as queue export has written it")
	case errors.Is(err, store.ErrFull):
		return newError(Full, err.Error(), "free some space on the disk of the state directory")
	case errors.Is(err, store.ErrFenced):
		return newError(Busy, "somebody else changed the message meanwhile", "try again")
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrUnknown), errors.Is(err, context.Canceled):
		return newError(Tempfail, err.Error(), "try again")
	case errors.Is(err, context.DeadlineExceeded):
		return newError(Tempfail, "it took too long", "try again")
	case errors.As(err, &t):
		return newError(Tempfail, t.Error(), t.Hint)
	case errors.As(err, &path):
		return newError(Internal, err.Error(), "look at the disk of the state directory")
	}
	return newError(Internal, err.Error(), "")
}

// usage is a request that makes no sense.
func usage(text, hint string) *Error { return newError(Usage, text, hint) }

// fail answers a request that has not been answered yet.
func fail(w http.ResponseWriter, err error) {
	e := ErrorOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Code.status())
	// An error of writing means that nobody listens any more.
	_ = json.NewEncoder(w).Encode(frame{Error: e})
}
