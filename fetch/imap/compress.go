package imap

import (
	"context"
	"errors"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// The library knows no COMPRESS (RFC 4978), so it is asked past it.

const capCompress = goimap.Cap("COMPRESS=DEFLATE")

// compress turns compression on if the server offers it and so many octets are about to be asked for. Nothing
// may be on its way. It is tried once in a session.
func (s *session) compress(ctx context.Context, octets int64) error {
	if octets < s.limits.Compress || !s.compressible() {
		return nil
	}
	s.mu.Lock()
	busy := s.inflight > 0 || s.current != nil || len(s.asks) > 0
	s.mu.Unlock()
	if busy {
		return nil
	}
	s.squeezed = true
	word, err := s.line.compress()
	switch {
	case err != nil:
		return s.fail(mail.OpFetch, err)
	case word == "BAD" && s.o.Memory != nil: // NO may have been for once
		s.o.Memory.Uncompressed = true
	}
	return ctx.Err()
}

// compressible says whether it may still come to that.
func (s *session) compressible() bool {
	return !s.squeezed && !s.o.NoCompress && s.can(capCompress) &&
		(s.o.Memory == nil || !s.o.Memory.Uncompressed)
}

// cost is what so many octets of a message cost on the line, TLS not counted; on the average where they came
// compressed.
func (s *session) cost(n int64) int64 { return int64(float64(n)*s.line.Share() + 0.5) }

// compress asks, and returns the word of the answer: OK, NO or BAD. The reader, which is told line by line
// meanwhile, changes over behind an OK.
func (l *line) compress() (word string, err error) {
	l.Stepwise(true)
	defer l.Stepwise(false)
	_, _, err = l.askThen([]string{"COMPRESS DEFLATE"}, "", chatter, func(a []imapconn.Reply) {
		if word = a[0].Word; word == "OK" {
			l.Inflate()
		}
	})
	if err == nil && word != "OK" && word != "NO" && word != "BAD" {
		err = &wire.Error{Doing: "reading", Foreign: true, Err: errCompress}
	}
	return word, err
}

var errCompress = errors.New("the answer to COMPRESS makes no sense")
