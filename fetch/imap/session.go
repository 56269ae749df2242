package imap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

// A session is one maildrop that is open. Its methods are called by one goroutine; the library reads in
// another, and each FETCH has one that takes its data, since Dovecot sends the data of one command before
// the end of the one before.
type session struct {
	o       *Options
	limits  Limits
	line    *line
	c       *imapclient.Client
	caps    goimap.CapSet
	folders []*folder // empty until it is known which are meant
	named   []string  // what is to be said about which are meant
	stuck   []string  // and about what cannot be let go of
	// settling: what was to be let go of was known, all of it
	settling   bool
	final      bool         // the last folder is being settled
	leaving    func() error // LOGOUT was sent: waits for its answer
	early      flight       // what was asked together with the login
	busy       bool         // something was there to be fetched
	squeezed   bool         // COMPRESS was tried
	accepting  bool         // UTF8=ACCEPT was asked for
	utf8       bool         // and is given: names are not coded any more
	introduced bool         // ID was sent
	came       *recency
	moved      *Target // what is known of it, where copies were looked for

	wg sync.WaitGroup // the goroutines that take data

	mu       sync.Mutex
	cond     *sync.Cond // told of each change of what follows
	err      *mail.Trouble
	closed   bool
	selected *folder
	learning *folder       // of whose messages sizes were asked
	inflight int           // FETCH commands without their end
	asked    map[key]*part // on their way, in the selected folder
	last     *part         // the part that arrived last: what comes behind it proves that it was whole
	waiting  *part         // what the caller waits for
	order    []*part       // announced, in the order in which they will be read
	queue    []*part       // of these, not yet asked for
	passed   int           // how many of order were read or skipped
	asks     []*ask        // made up, not yet sent
	out      int64         // octets asked for and not yet read
	held     int64         // octets of these that wait in memory
	window   int64         // octets that may be asked for; 0: nobody has asked
	share    int64         // the most that window was: what the pool has given, and what may wait in memory
	filled   time.Time     // when the window was filled last
	waste    int64         // octets that nobody asked for
	unfit    bool          // the server gave another part of a message than was asked for
	current  *reader
	gone     []mail.UID
	result   error // of Close
}

var (
	_ mail.Maildrop  = (*session)(nil)
	_ mail.Aheader   = (*session)(nil)
	_ mail.Releaser  = (*session)(nil)
	_ mail.Confirmed = (*session)(nil)
	_ mail.Glancer   = (*session)(nil)
	_ mail.Coverer   = (*session)(nil)
	_ mail.Filterer  = (*session)(nil)
	_ mail.Resumer   = (*content)(nil)
	_ mail.Headed    = (*content)(nil)
	_ mail.Forgetter = (*content)(nil)
	_ mail.Retriever = (*Retriever)(nil)

	_ mail.FolderWatcher = (*Retriever)(nil)
)

func newSession(o *Options) *session {
	s := &session{o: o, limits: o.limits(), asked: map[key]*part{}}
	s.cond = sync.NewCond(&s.mu)
	s.unfit = o.Memory != nil && o.Memory.Unfit
	s.remembered()
	return s
}

// fail ends the session: the first trouble is the one that counts. The connection is cut, not closed
// politely, because the rest of a body costs as much as the body.
func (s *session) fail(op mail.Op, err error) *mail.Trouble {
	t := s.trouble(op, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed(t)
}

// failed is fail with s.mu held.
func (s *session) failed(t *mail.Trouble) *mail.Trouble {
	if s.err == nil {
		s.err = t
		s.line.Abort(t)
	}
	s.cond.Broadcast()
	return s.err
}

// together has the commands that ask sends leave in one write: each write is a record of TLS, which costs 22 octets (RFC
// 8446, 5.2), and often a segment, which costs 40. ask waits for no answer.
func (s *session) together(ask func()) {
	if err := s.line.together(ask); err != nil {
		s.line.Abort(err)
		s.c.Noop() // it cannot be sent: this is how the library learns that nothing will be answered
	}
}

// watch ends the session when ctx ends.
func (s *session) watch(ctx context.Context, op mail.Op) (stop func()) {
	f := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed(&mail.Trouble{Op: op, Server: s.server(), Err: context.Cause(ctx)})
	})
	return func() { f() }
}

// end takes down what is left, after the connection was cut: the data that was under way, then the library.
func (s *session) end() {
	if s.line == nil {
		return
	}
	s.mu.Lock()
	if s.err == nil { // whoever still waits has nothing to wait for
		s.err = &mail.Trouble{Op: mail.OpQuit, Kind: mail.Local, Server: s.server(),
			Err: errors.New("the session is closed")}
	}
	if s.current != nil {
		s.current.release()
	}
	s.cond.Broadcast()
	s.mu.Unlock()
	defer s.giveBack()
	s.line.Close()
	if s.c != nil {
		s.wg.Wait()
		s.c.Close()
	}
	if m := s.o.Memory; m != nil {
		m.Unfit = s.unfit // also after a bad end, which may be due to just that
	}
}

// find returns the folder and UID that u names, if they are in this session's snapshot; where it was not
// listed, if they may be.
func (s *session) find(u mail.UID) (*folder, goimap.UID, bool) {
	name, validity, uid, ok := parseUID(u)
	if !ok {
		return nil, 0, false
	}
	for _, f := range s.folders {
		if f.name != name || f.validity != validity || f.left {
			continue
		}
		_, have := slices.BinarySearch(f.uids, uid)
		return f, uid, have || !f.listed && uint32(uid) < f.next
	}
	return nil, 0, false
}
