package demo

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// A Stage is the world around mailretr: two maildrops at a provider and an MTA at home, all on loopback. Open
// fills it; the caller closes it. Safe for concurrent use.
type Stage struct {
	Drops []*Drop
	// Deferrals is how often the MTA says 451 to the message with the Zip.
	Deferrals int

	mta    *mta
	door   string // where the MTA answers
	closer []func() error
	work   sync.WaitGroup

	before atomic.Int64 // sessions with the maildrop of the refused message before that was refused
}

// A Drop is one maildrop at the provider.
type Drop struct {
	Name, Protocol string // pop3 or imap
	Port           int
	User, Password string
	To             string // whom all of it is for; "": the field Envelope says
	Envelope       string

	server  server
	line    *line
	letters []*letter
	large   *letter // one of them
}

// title names it and its protocol.
func (d *Drop) title() string { return d.Name + " (" + strings.ToUpper(d.Protocol) + ")" }

// A server of a maildrop.
type server interface {
	put(octets []byte) error
	left() (int, error)
	serve(net.Listener) error
	close() error
}

// Domain is the one whose mail comes in at home.
const Domain = home

// Open starts the servers and fills the maildrops.
func Open() (*Stage, error) {
	s := &Stage{Deferrals: 5}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stage) open() error {
	plans, err := withZip()
	if err != nil {
		return err
	}
	if err := s.cast(plans, forMoved()); err != nil {
		return err
	}
	for _, d := range s.Drops {
		if err := s.add(d); err != nil {
			return err
		}
	}
	return s.hire()
}

// cast says who plays on the stage. Nobody answers yet.
func (s *Stage) cast(plans, film *letter) (err error) {
	single := &Drop{Name: "jaco", Protocol: "imap", User: "jaco", Password: "demo", To: jaco}
	multi := &Drop{Name: "family", Protocol: "pop3", User: "family", Password: "demo", Envelope: field}
	single.large, single.letters = plans, append(notes("jaco", jaco), plans)
	multi.large, multi.letters = film, append(notes("family", anna, jaco), film)
	multi.server = &pop3{user: multi.User, password: multi.Password}
	if single.server, err = newIMAP(single.User, single.Password); err != nil {
		return err
	}
	s.Drops = []*Drop{multi, single}
	s.mta = &mta{unknown: moved, trouble: plans.id, times: s.Deferrals}
	s.mta.refusing = func() { s.before.Store(multi.line.sessions.Load()) }
	return nil
}

// add fills a maildrop and lets its server answer.
func (s *Stage) add(d *Drop) (err error) {
	for _, l := range d.letters {
		if err := d.server.put(l.octets); err != nil {
			return fmt.Errorf("filling the demo's maildrop %s: %w", d.Name, err)
		}
	}
	if d.line, err = newLine(); err != nil {
		return err
	}
	d.Port = d.line.port()
	s.closer = append(s.closer, d.server.close, d.line.Close)
	s.work.Go(func() { _ = d.server.serve(d.line) }) // that it ended is seen: nothing arrives
	return nil
}

// hire lets the MTA answer.
func (s *Stage) hire() error {
	l, err := newLine()
	if err != nil {
		return err
	}
	server := s.mta.server()
	s.closer = append(s.closer, server.Close, l.Close)
	s.work.Go(func() { _ = s.mta.serve(server, l) })
	s.door = l.Addr().String()
	return nil
}

// MTA is the address of the MTA.
func (s *Stage) MTA() string { return s.door }

// Close stops the servers.
func (s *Stage) Close() error {
	var all []error
	for _, f := range s.closer {
		if err := f(); err != nil && !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	s.work.Wait()
	return errors.Join(all...)
}
