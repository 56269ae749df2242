package relay

import (
	"context"
	"io"
	"sync"

	"mailretr/store/mail"
)

// A Connection delivers and answers probes over one long-lived connection.
type Connection interface {
	mail.Deliverer
	mail.Prober
	io.Closer
}

// Ask is a mail.Prober that is safe for concurrent use: it asks the lane to which the message would go, over a
// connection kept for the purpose. A message for several lanes is not asked about: its report is all deferred
// without a reply, so it is collected.
type Ask struct {
	Route mail.Route
	Dial  func(mail.Lane) (Connection, error)

	mu    sync.Mutex
	lanes map[mail.Lane]*asked
	made  int // counts the calls of Renew
}

// asked is the one connection of a lane that is used for asking; mu is held while a question is out.
type asked struct {
	mu   sync.Mutex
	conn Connection
	made int // the calls of Renew before it was made
}

// Probe asks the next hop.
func (a *Ask) Probe(ctx context.Context, m *mail.Message) mail.Report {
	lane, ok := single(a.Route, m)
	if !ok {
		return mail.Same(len(m.Envelope.Recipients), mail.Result{})
	}
	a.mu.Lock()
	if a.lanes == nil {
		a.lanes = map[mail.Lane]*asked{}
	}
	l := a.lanes[lane]
	if l == nil {
		l = &asked{}
		a.lanes[lane] = l
	}
	made := a.made
	a.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made < made {
		l.close()
		l.made = made
	}
	if l.conn == nil {
		conn, err := a.Dial(lane)
		if err != nil {
			return mail.Same(len(m.Envelope.Recipients), mail.Result{Scope: mail.OfLane, Err: err})
		}
		l.conn = conn
	}
	return l.conn.Probe(ctx, m)
}

// Renew is for when next hops have changed: connections that were made before are not asked again.
func (a *Ask) Renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	for _, l := range a.lanes {
		if l.mu.TryLock() { // else the next question closes it
			l.close()
			l.mu.Unlock()
		}
	}
}

// Close ends the connections.
func (a *Ask) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lanes {
		l.mu.Lock()
		l.close()
		l.mu.Unlock()
	}
	a.lanes = nil
	return nil
}

func (l *asked) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	l.conn = nil
}

// single returns the one lane of all recipients, if there is just one.
func single(route mail.Route, m *mail.Message) (lane mail.Lane, ok bool) {
	for _, x := range m.Envelope.Recipients {
		lanes := route(m.Origin, m.Envelope, x)
		if len(lanes) != 1 || lane != "" && lanes[0] != lane {
			return "", false
		}
		lane = lanes[0]
	}
	return lane, lane != ""
}
