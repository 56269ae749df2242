package imap

import (
	"context"
	"errors"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// The library knows no COMPRESS (RFC 4978), so it is asked past it.

const capCompress = goimap.Cap("COMPRESS=DEFLATE")

// compress turns compression on if the server offers it and so many octets are about to be asked for. Nothing
// may be on its way. It is tried once in a session.
func (s *session) compress(ctx context.Context, octets int64) error {
	if octets < s.limits.Compress || s.squeezed || s.o.NoCompress || !s.caps.Has(capCompress) ||
		s.o.Memory != nil && s.o.Memory.Uncompressed {
		return nil
	}
	s.mu.Lock()
	busy := s.inflight > 0 || s.current != nil || len(s.asks) > 0
	s.mu.Unlock()
	if busy {
		return nil
	}
	s.squeezed = true
	on, err := s.line.compress()
	switch {
	case err != nil:
		return s.fail(mail.OpFetch, err)
	case !on && s.o.Memory != nil:
		s.o.Memory.Uncompressed = true
	}
	return ctx.Err()
}

// compress asks. The reader, which is told line by line meanwhile, changes over behind the answer; it says
// whether it did.
func (l *line) compress() (on bool, err error) {
	l.Stepwise(true)
	defer l.Stepwise(false)
	_, answers, err := l.askThen([]string{"COMPRESS DEFLATE"}, "", chatter, func(a []reply) {
		if on = a[0].word == "OK"; on {
			l.Inflate()
		}
	})
	switch {
	case err != nil:
		return false, err
	case answers[0].word != "OK" && answers[0].word != "NO" && answers[0].word != "BAD":
		return false, &wire.Error{Doing: "reading", Foreign: true, Err: errCompress}
	}
	return on, nil
}

var errCompress = errors.New("the answer to COMPRESS makes no sense")
