package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// imapServer is the library's in-memory server with one user.
type imapServer struct {
	user   *imapmemserver.User
	server *imapserver.Server
}

func newIMAP(name, password string) (*imapServer, error) {
	all := imapmemserver.New()
	user := imapmemserver.NewUser(name, password)
	if err := user.Create("INBOX", nil); err != nil {
		return nil, fmt.Errorf("making the demo's folder: %w", err)
	}
	all.AddUser(user)
	return &imapServer{user: user, server: imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return all.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapUIDPlus: {}},
		Logger:       log.New(io.Discard, "", 0),
		InsecureAuth: true, // it listens on loopback, for seconds
	})}, nil
}

func (s *imapServer) put(octets []byte) error {
	_, err := s.user.Append("INBOX", sized{bytes.NewReader(octets)}, &imap.AppendOptions{})
	return err
}

func (s *imapServer) serve(l net.Listener) error {
	if err := s.server.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *imapServer) close() error { return s.server.Close() }

// left returns how many messages are in the maildrop.
func (s *imapServer) left() (int, error) {
	status, err := s.user.Status("INBOX", &imap.StatusOptions{NumMessages: true})
	if err != nil {
		return 0, err
	}
	return int(*status.NumMessages), nil
}

// sized is what the library calls a literal: a reader that knows its size.
type sized struct{ *bytes.Reader }

func (s sized) Size() int64 { return s.Reader.Size() }
