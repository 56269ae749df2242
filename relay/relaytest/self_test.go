package relaytest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mailretr/store/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A memory is the simplest deliverer that keeps the contract; fault breaks it in one way.
type memory struct {
	fault string
	mu    sync.Mutex
	got   []Arrival
}

func (d *memory) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	b := &pile{d: d}
	if err := b.Add(ctx, m); err != nil {
		r := mail.Result{Err: err}
		if d.fault == "delivers what is cut" {
			r.Outcome = mail.Delivered
		}
		return mail.Same(len(m.Envelope.Recipients), r)
	}
	return b.Commit(ctx)[0]
}

func (d *memory) Probe(ctx context.Context, m *mail.Message) mail.Report {
	if d.fault == "opens in a probe" {
		b, _ := m.Content.Open(ctx)
		b.Close()
	}
	return d.judge(m)
}

func (d *memory) Batch() mail.Batch { return &pile{d: d} }

// judge refuses some, by name.
func (d *memory) judge(m *mail.Message) mail.Report {
	r := mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered})
	for i, x := range m.Envelope.Recipients {
		switch {
		case x.Forward.Check() != nil && d.fault != "takes any address", x.Forward.Local() == "refused":
			r[i] = mail.Result{Outcome: mail.Failed, Reply: "550 no"}
		case x.Forward.Local() == "later":
			r[i] = mail.Result{Reply: "451 later"}
		}
	}
	if d.fault == "forgets the order" {
		r[0], r[len(r)-1] = r[len(r)-1], r[0]
	}
	return r
}

type pile struct {
	d       *memory
	added   []Arrival
	reports []mail.Report
}

func (p *pile) Add(ctx context.Context, m *mail.Message) error {
	r := p.d.judge(m)
	a := Arrival{From: m.Envelope.Reverse}
	seen := map[mail.Path]bool{}
	for i, x := range m.Envelope.Recipients {
		if r[i].Outcome == mail.Delivered && (!seen[x.Forward] || p.d.fault == "sends to twins twice") {
			a.To = append(a.To, x.Forward)
		}
		seen[x.Forward] = true
	}
	if len(a.To) > 0 {
		c, err := m.Content.Open(ctx)
		if err != nil {
			return err
		}
		if p.d.fault != "does not close" {
			defer c.Close()
		}
		if a.Data, err = io.ReadAll(c); err != nil && p.d.fault != "takes half a message" {
			return err
		}
		if ctx.Err() != nil && p.d.fault != "does not hear" {
			return ctx.Err()
		}
		if p.d.fault == "changes octets" {
			a.Data = []byte(strings.ReplaceAll(string(a.Data), "\r\n.\r\n", "\r\n"))
		}
		p.added = append(p.added, a)
	}
	p.reports = append(p.reports, r)
	if p.d.fault == "commits early" {
		p.commit()
	}
	return nil
}

func (p *pile) commit() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.d.got = append(p.d.got, p.added...)
	p.added = nil
}

func (p *pile) Commit(context.Context) []mail.Report {
	p.commit()
	r := p.reports
	p.reports = nil
	return r
}

func run(t *testing.T, fault string) {
	Run(t, func(*testing.T) Harness {
		d := &memory{fault: fault}
		return Harness{Can: Can{Many: true, Envelope: true, Null: true},
			Deliverer: func(testing.TB) mail.Deliverer { return d },
			Arrived: func(testing.TB) []Arrival {
				d.mu.Lock()
				defer d.mu.Unlock()
				return append([]Arrival(nil), d.got...)
			},
			Refused: "refused@relay.example", Later: "later@relay.example"}
	})
}

func TestSuite_PassesWhoKeepsTheContract(t *testing.T) { run(t, "") }

// Each way of breaking the contract is found. The suite fails the test it runs in, so that is another process.
func TestSuite_FindsWhoDoesNot(t *testing.T) {
	if f := os.Getenv("RELAYTEST_FAULT"); f != "" {
		run(t, f)
		return
	}
	for _, f := range []string{"delivers what is cut", "opens in a probe", "takes any address", "forgets the order",
		"sends to twins twice", "does not close", "takes half a message", "does not hear", "changes octets",
		"commits early"} {
		t.Run(f, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run=^TestSuite_FindsWhoDoesNot$")
			c.Env = append(os.Environ(), "RELAYTEST_FAULT="+f)
			if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL") {
				t.Errorf("it went unseen: %v\n%s", err, out)
			}
		})
	}
}

// The MTA is what others are judged by: a dialogue by hand, with everything that it records.
func TestMTA(t *testing.T) {
	m := New(t, Script{Users: map[string]string{"u": "p"}, Answer: First(
		For("no@y.example", "RCPT", Answer{Reply: "550-no\n550 such user"}), Once(At("NOOP", Answer{Reply: "421 x", Cut: true})))})
	c, err := m.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	want := func(ask, reply string) {
		t.Helper()
		if ask != "" {
			fmt.Fprintf(c, "%s\r\n", ask)
		}
		for _, w := range strings.Split(reply, "|") {
			if l, err := br.ReadString('\n'); err != nil || !strings.HasPrefix(l, w) || !strings.HasSuffix(l, "\r\n") {
				t.Fatalf("%q: %q, %v; want %q", ask, l, err, w)
			}
		}
	}
	want("", "220 mta.test")
	want("MAIL FROM:<>", "503 5.5.1")
	want("EHLO me", "250-mta.test|250-PIPELINING|250-SIZE|250-8BIT|250-ENH|250-DSN|250-SMTPUTF8|250 AUTH")
	want("MAIL FROM:<>", "530")
	want("AUTH PLAIN AHUAeA==", "535")
	want("AUTH LOGIN", "334 ")
	want("dQ==", "334 ")
	want("cA==", "235")
	want("RCPT TO:<a@b.example>", "503")
	want("MAIL FROM:<a@b.example> SIZE=5 BODY=8BITMIME", "250")
	want("MAIL FROM:<b@b.example>", "503 5.5.1 sender")
	want("DATA", "503")
	want("RCPT TO:<no@y.example>", "550-no|550 such user")
	want("RCPT TO:<x@y.example> NOTIFY=NEVER", "250")
	want("DATA", "354")
	want("a\r\n..b\r\n\n.\n\r.\r\r\n.", "250 2.0.0")
	want("RSET", "250")
	want("NOOP", "421 x")
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("not cut: %v", err)
	}
	x := m.Mails()
	if len(x) != 1 || string(x[0].Data) != "a\r\n.b\r\n\n.\n\r.\r\r\n" || x[0].From != "a@b.example" || x[0].User != "u" ||
		x[0].Params != "SIZE=5 BODY=8BITMIME" || len(x[0].To) != 1 || x[0].To[0] != (Rcpt{"x@y.example", "NOTIFY=NEVER"}) ||
		x[0].Hello != "me" || x[0].Size != int64(len(x[0].Data)) {
		t.Errorf("%+v", x)
	}
}
