package pop3

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A session is one login: a snapshot, and what was settled so far. It is a mail.Maildrop, Aheader, Releaser,
// Confirmed and Glancer. Open ends with STAT; the listing is asked for when somebody wants it.
type session struct {
	opts   *Options
	server string
	conn   *wire.Conn
	link   *link
	known  *known
	op     mail.Op // the step of Open that is under way

	count      int   // of STAT
	sum        int64 // of STAT, in octets; -1: no number
	items      []*item
	complete   bool
	byUID      map[mail.UID]*item // a nil value: several had it
	early      bool               // all was asked together with the login
	listed     bool               // all were listed
	identified bool               // each has an identity
	pipelining bool

	past   past             // what earlier sessions have left
	was    string           // past, as it was loaded
	single map[int]*item    // messages that were asked about one by one, by number; see glance.go
	fresh  []*item          // of these: what Since has named
	glance string           // what Glance has said
	proven int              // how many messages Since has found where an earlier session left them
	proof  mail.UID         // the unique-id of the last of these
	heads  map[*item][]byte // headers that were read for an identity, or as a trial of TOP
	kept   int              // octets of these

	plan    []*item // what will be asked for next, in order
	planTop bool    // by TOP; else by RETR
	flight  flight
	meter   meter
	sending sync.WaitGroup // goroutines that send what was asked ahead
	cur     *stream        // being read, or to be read to its end

	letGo  []*item
	broken error // why the connection is of no use; no DELE after it
	closed bool
	end    error // of Close
	gone   []mail.UID
}

// fail ends the session: what the server meant, or would have said, is not known any more.
func (s *session) fail(op mail.Op, err error) error {
	if s.broken == nil {
		if len(s.single) > 0 && !s.listed && s.known != nil {
			s.disbelieve(err)
		}
		s.broken = mail.TroubleOf(op, s.server, err)
		s.conn.Abort(err)
	}
	return s.broken
}

// List returns the unique-ids; those that are none are made from the headers first.
func (s *session) List(ctx context.Context) ([]mail.UID, bool, error) {
	if err := s.all(ctx); err != nil {
		return nil, false, err
	}
	uids := make([]mail.UID, len(s.items))
	for i, x := range s.items {
		uids[i] = x.uid
	}
	return uids, s.complete, nil
}

// Messages yields the wanted messages in the server's order. One that is announced as too big comes with an
// error.
func (s *session) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		if s.broken != nil || !s.named(want) {
			if err := s.all(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		var wanted map[mail.UID]bool
		if want != nil {
			wanted = make(map[mail.UID]bool, len(want))
			for _, u := range want {
				wanted[u] = true
			}
		}
		for _, x := range s.each() {
			if x.gone || wanted != nil && !wanted[x.uid] {
				continue
			}
			if !yield(s.message(x), s.tooBig(x)) {
				return
			}
		}
	}
}

// named says whether all of these are known without a listing.
func (s *session) named(want []mail.UID) bool {
	if s.listed || want == nil || len(s.fresh) == 0 {
		return false
	}
	for _, u := range want {
		if s.byUID[u] == nil {
			return false
		}
	}
	return true
}

// each returns the messages of the listing; where there is none, those that Since has named.
func (s *session) each() []*item {
	if s.listed {
		return s.items
	}
	return s.fresh
}

func (s *session) message(x *item) *mail.Message {
	m := &mail.Message{Origin: mail.Origin{Maildrop: s.opts.Name, Account: s.opts.Account, UID: x.uid}}
	m.Content = &content{s: s, item: x, msg: m}
	return m
}

func (s *session) tooBig(x *item) error {
	if x.size <= s.opts.maxOctets() {
		return nil
	}
	return &mail.Trouble{Op: mail.OpFetch, Kind: mail.Local, Server: s.server, Alone: true,
		Err: fmt.Errorf("it is announced with %d octets, more than the %d that are allowed",
			x.size, s.opts.maxOctets()),
		Hint: "Raise the limit, or remove the message at the provider."}
}

// Settle gathers what is Done for Close, where the configuration says delete. Nobody asks for the content any more, so what is
// known of it is forgotten: of a hundred thousand messages the headers alone would fill the memory.
func (s *session) Settle(_ context.Context, m *mail.Message, r mail.Report) error {
	if c, ok := m.Content.(*content); ok && c.s == s {
		c.Forget()
	}
	if !r.Done(len(m.Envelope.Recipients)) {
		return nil
	}
	x := s.byUID[m.Origin.UID]
	if x == nil {
		return s.stranger(mail.OpSettle, m.Origin.UID)
	}
	if x.asked = false; s.opts.After == Delete {
		s.gather(x)
	}
	return nil
}

// Release gathers what earlier sessions took. UIDs that this listing does not name are passed over.
func (s *session) Release(ctx context.Context, uids []mail.UID) error {
	if s.broken != nil || !s.named(uids) {
		if err := s.all(ctx); err != nil {
			return err
		}
	}
	for _, u := range uids {
		if x := s.byUID[u]; x != nil {
			s.gather(x)
		}
	}
	return nil
}

// stranger is the error of a caller that names a message of another session.
func (s *session) stranger(op mail.Op, uid mail.UID) error {
	return &mail.Trouble{Op: op, Kind: mail.Local, Server: s.server, Alone: true,
		Err: fmt.Errorf("this session has no message %s", mail.Printable(string(uid), 100))}
}

func (s *session) gather(x *item) {
	if !x.gone {
		x.gone = true
		s.letGo = append(s.letGo, x)
	}
}

// Gone names what the server let go of, after Close.
func (s *session) Gone() []mail.UID { return s.gone }
