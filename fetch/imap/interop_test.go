package imap

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
)

// A pipes is a listener whose connections are made by dial.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.ended); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := fetchtest.Pipe(64<<10, 0)
	p.conns <- theirs
	return ours, nil
}

// serveMem runs go-imap's server until the test ends.
func serveMem(t *testing.T, mem *imapmemserver.Server, caps goimap.CapSet, ca *fetchtest.CA) *pipes {
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps: caps, TLSConfig: ca.Server("mail.example", nil),
		Logger: log.New(io.Discard, "", 0),
	})
	p := &pipes{conns: make(chan net.Conn, 1), ended: make(chan struct{})}
	ended := make(chan error)
	go func() { ended <- srv.Serve(p) }()
	t.Cleanup(func() { srv.Close(); <-ended })
	return p
}

// TestMemServer collects from go-imap's own server, which is not ours and has other habits: it rewrites
// headers, so only well-formed mail is equal.
func TestMemServer(t *testing.T) {
	for name, caps := range map[string]goimap.CapSet{
		"rev1":  {goimap.CapIMAP4rev1: {}},
		"plus":  {goimap.CapIMAP4rev1: {}, goimap.CapUIDPlus: {}, goimap.CapESearch: {}},
		"rev2":  {goimap.CapIMAP4rev2: {}},
		"rev12": {goimap.CapIMAP4rev1: {}, goimap.CapIMAP4rev2: {}, goimap.CapUIDPlus: {}},
	} {
		t.Run(name, func(t *testing.T) {
			user := imapmemserver.NewUser("jaco", "secret-canary")
			user.Create("INBOX", nil)
			user.Create("Entwürfe", nil)
			mem := imapmemserver.New()
			mem.AddUser(user)
			ca := fetchtest.NewCA(t)
			p := serveMem(t, mem, caps, ca)
			want := map[string]int{}
			for i := range 300 {
				b := fetchtest.Text(200+50*i, i)
				want[string(b)]++
				o := &goimap.AppendOptions{Time: time.Unix(1_700_000_000, 0), Flags: []goimap.Flag{goimap.FlagFlagged}}
				if _, err := user.Append([]string{"INBOX", "Entwürfe"}[i%2], bytes.NewReader(b), o); err != nil {
					t.Fatal(err)
				}
			}
			r := &Retriever{Options: Options{
				Dial: wire.Options{Address: "mail.example:143", DialContext: p.dial,
					TLS: wire.TLS{Mode: wire.StartTLS, Roots: ca.Pool}},
				User: "jaco", Password: func(context.Context) (string, error) { return "secret-canary", nil },
				Folders: []string{"INBOX", "Entwürfe"}, After: Delete, Memory: &Memory{},
			}}
			x, err := collect(t.Context(), r)
			if err != nil || !x.whole {
				t.Fatal(x.whole, err)
			}
			for _, b := range x.octets {
				want[b]--
			}
			for b, n := range want {
				if n != 0 {
					t.Fatalf("%d times: %.60q", n, b)
				}
			}
			equal(t, "gone", len(x.gone), 300)
			x, err = collect(t.Context(), r)
			if err != nil || len(x.uids) != 0 || !x.whole {
				t.Errorf("the next session: %d, %v", len(x.uids), err)
			}
			if c := strings.Join(r.Memory.Caps, " "); !strings.Contains(c, "IMAP4rev") {
				t.Errorf("remembered: %q", c)
			}
		})
	}
}
