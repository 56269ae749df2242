package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = "From: a@b.example\r\nSubject: hello\r\n\r\n.a dot\r\nbody\r\n"

// client makes a client for these MTAs; change alters its options.
func client(t testing.TB, change func(*Options), mtas ...*relaytest.MTA) *Client {
	t.Helper()
	o := Options{Hello: "relay.test"}
	for _, m := range mtas {
		o.Dial = append(o.Dial, wire.Options{Address: m.Address(), DialContext: m.Dial, TLS: wire.TLS{Mode: wire.Plain}})
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// content is a message in memory, as from a maildrop: it can be opened once and not be wound back.
type content struct {
	text   string
	size   int64
	opened int
	closed int
	fail   error // at the end
}

func (c *content) Size() int64                            { return c.size }
func (c *content) Header(context.Context) ([]byte, error) { return nil, errors.New("not asked for") }
func (c *content) Open(context.Context) (io.ReadCloser, error) {
	c.opened++
	r := io.Reader(strings.NewReader(c.text))
	if c.fail != nil {
		r = io.MultiReader(r, failing{c.fail})
	}
	return struct {
		io.Reader
		io.Closer
	}{r, closer(func() { c.closed++ })}, nil
}

// spooled can be wound back, as from the queue.
type spooled struct{ content }

func (c *spooled) Open(context.Context) (io.ReadCloser, error) {
	c.opened++
	return struct {
		io.ReadSeeker
		io.Closer
	}{strings.NewReader(c.text), closer(func() { c.closed++ })}, nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func message(to ...mail.Path) *mail.Message {
	m := &mail.Message{Content: &content{text: text, size: int64(len(text))}}
	m.Envelope.Reverse = "sender@a.example"
	for _, p := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
	}
	return m
}

func one(t *testing.T, r mail.Report) mail.Result {
	t.Helper()
	if len(r) != 1 {
		t.Fatalf("%d results", len(r))
	}
	return r[0]
}

func TestDeliver_OneConnectionForMany(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	c := client(t, nil, mta)
	for range 3 {
		m := message("x@y.example")
		r := one(t, c.Deliver(t.Context(), m))
		if r.Outcome != mail.Delivered || r.Reply != "250 2.0.0 taken" || r.Enhanced != "2.0.0" ||
			r.RemoteMTA != mta.Address() || r.After != mail.OpDot || r.At.IsZero() {
			t.Fatalf("%+v", r)
		}
		if x := m.Content.(*content); x.opened != 1 || x.closed != 1 {
			t.Fatalf("opened %d times, closed %d", x.opened, x.closed)
		}
	}
	mails := mta.Mails()
	if len(mails) != 3 || mta.Connections() != 1 {
		t.Fatalf("%d messages by %d connections", len(mails), mta.Connections())
	}
	for _, x := range mails {
		if string(x.Data) != text || x.From != "sender@a.example" || len(x.To) != 1 || x.Hello != "relay.test" ||
			x.Params != fmt.Sprintf("BODY=8BITMIME SIZE=%d", len(text)) {
			t.Fatalf("%+v", x)
		}
	}
	if got := strings.Join(mta.Lines(), "|"); strings.Count(got, "EHLO") != 1 || strings.Contains(got, "RSET") {
		t.Fatal(got)
	}
}

func TestDeliver_Twins(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		mta := relaytest.New(t, relaytest.Script{LMTP: lmtp,
			Answer: relaytest.For("b@y.example", "RCPT", relaytest.Answer{Reply: "550 5.1.1 no"})})
		c := client(t, func(o *Options) { o.LMTP = lmtp }, mta)
		r := c.Deliver(t.Context(), message("a@y.example", "b@y.example", "a@y.example", "b@y.example"))
		var got []string
		for _, x := range r {
			got = append(got, x.Outcome.String())
		}
		if s := strings.Join(got, " "); s != "delivered failed delivered failed" {
			t.Fatal(s)
		}
		if to := mta.Mails()[0].To; len(to) != 1 || len(mta.Mails()) != 1 {
			t.Fatalf("%+v", mta.Mails())
		}
	}
}

func TestLMTP_OneReplyEach(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{LMTP: true, Answer: relaytest.First(
		relaytest.For("b@y.example", relaytest.Dot, relaytest.Answer{Reply: "452-4.2.2 b is\n452 4.2.2 full"}),
		relaytest.For("c@y.example", "RCPT", relaytest.Answer{Reply: "550 5.1.1 no c"}),
		relaytest.For("d@y.example", relaytest.Dot, relaytest.Answer{Reply: "552 5.2.3 too big for d"}),
	)})
	c := client(t, func(o *Options) { o.LMTP = true }, mta)
	r := c.Deliver(t.Context(), message("a@y.example", "b@y.example", "c@y.example", "d@y.example", "e@y.example"))
	for i, want := range []mail.Result{
		{Outcome: mail.Delivered, Enhanced: "2.0.0", Reply: "250 2.0.0 taken", After: mail.OpDot, Custody: mail.Final},
		{Outcome: mail.Deferred, Enhanced: "4.2.2", Reply: "452 4.2.2 b is full", After: mail.OpDot},
		{Outcome: mail.Failed, Enhanced: "5.1.1", Reply: "550 5.1.1 no c", After: mail.OpRcpt},
		{Outcome: mail.Failed, Enhanced: "5.2.3", Reply: "552 5.2.3 too big for d", After: mail.OpDot},
		{Outcome: mail.Delivered, Enhanced: "2.0.0", Reply: "250 2.0.0 taken", After: mail.OpDot, Custody: mail.Final},
	} {
		x := r[i]
		x.Err, x.At, x.RemoteMTA = nil, want.At, ""
		if x != want {
			t.Errorf("%d: %+v", i, x)
		}
	}
	if x := mta.Mails(); len(x) != 1 || len(x[0].To) != 2 {
		t.Errorf("%+v", x)
	}
	if one(t, c.Deliver(t.Context(), message("a@y.example"))).Outcome != mail.Delivered || mta.Connections() != 1 {
		t.Error("the connection was not fit for another message")
	}
}

// After a cut in the replies of LMTP those that were said count.
func TestLMTP_CutAmongTheReplies(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{LMTP: true,
		Answer: relaytest.For("b@y.example", relaytest.Dot, relaytest.Answer{Cut: true})})
	c := client(t, func(o *Options) { o.LMTP = true }, mta)
	r := c.Deliver(t.Context(), message("a@y.example", "b@y.example", "c@y.example"))
	if r[0].Outcome != mail.Delivered || r[1].Outcome != mail.Deferred || r[2].Outcome != mail.Deferred ||
		r[1].After != mail.OpDot || r[1].Err == nil {
		t.Fatalf("%+v", r)
	}
}

func TestDeliver_Login(t *testing.T) {
	for _, offers := range []string{"", "AUTH LOGIN"} {
		mta := relaytest.New(t, relaytest.Script{Users: map[string]string{"jaco": "canary"}})
		if offers != "" {
			mta = relaytest.New(t, relaytest.Script{Users: map[string]string{"jaco": "canary"},
				Answer: relaytest.At("EHLO", relaytest.Answer{Reply: "250-hi\n250 " + offers})})
		}
		password := "canary"
		c := client(t, func(o *Options) {
			o.User = "jaco"
			o.Password = func(context.Context) (string, error) { return password, nil }
		}, mta)
		if r := one(t, c.Deliver(t.Context(), message("x@y.example"))); r.Outcome != mail.Delivered {
			t.Fatalf("%+v", r)
		}
		if x := mta.Mails()[0]; x.User != "jaco" {
			t.Fatalf("%+v", x)
		}
		mta.Hangup()
		c.Close()
		password = "wrong"
		r := one(t, c.Deliver(t.Context(), message("x@y.example")))
		if r.Outcome != mail.Deferred || r.Scope != mail.OfLane || r.Enhanced != "5.7.8" || r.After != mail.OpLogin {
			t.Fatalf("%+v", r)
		}
	}
}

func TestDeliver_NextHost(t *testing.T) {
	bad := relaytest.New(t, relaytest.Script{Greeting: "554 5.3.2 go away"})
	good := relaytest.New(t, relaytest.Script{})
	var events []mail.Event
	c := client(t, func(o *Options) {
		o.Observe = mail.ObserverFunc(func(e mail.Event) { events = append(events, e) })
		o.PerConnection = 1
	}, bad, good)
	for range 3 {
		r := one(t, c.Deliver(t.Context(), message("x@y.example")))
		if r.Outcome != mail.Delivered || r.RemoteMTA != good.Address() {
			t.Fatalf("%+v", r)
		}
	}
	if bad.Connections() != 1 {
		t.Errorf("a host that refuses was asked %d times within a minute", bad.Connections())
	}
	if len(events) != 1 || !events[0].Alarm || events[0].Op != mail.OpGreeting ||
		events[0].Reply != "554 5.3.2 go away" {
		t.Errorf("%+v", events)
	}
}

func TestDeliver_NobodyThere(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	c := client(t, nil, mta)
	mta.Close()
	r := c.Deliver(t.Context(), message("x@y.example", "z@y.example"))
	if !r.All(mail.Deferred) || r.Sick() == nil || r[1].Err == nil || r[1].After != mail.OpDial {
		t.Fatalf("%+v", r)
	}
}

func TestExim_FreshConnections(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Greeting: "220 mx.test ESMTP Exim 4.96 Thu, 01 Jan 1970 00:00:00 +0000"})
	c := client(t, nil, mta)
	for range 25 {
		if !c.Deliver(t.Context(), message("x@y.example")).Done(1) {
			t.Fatal("not delivered")
		}
	}
	c.Close()
	per := map[int]int{}
	for _, x := range mta.Mails() {
		per[x.Conn]++
	}
	if per[1] != 10 || per[2] != 10 || per[3] != 5 {
		t.Errorf("messages by connection: %v", per)
	}
	if n := strings.Count(strings.Join(mta.Lines(), "|"), "QUIT"); n != 3 {
		t.Errorf("%d connections ended by QUIT", n)
	}
}

// eximCounts answers as Exim does after its smtp_accept_max_nonmail.
func eximCounts() func(relaytest.Step) relaytest.Answer {
	counts := map[int]int{}
	return func(s relaytest.Step) relaytest.Answer {
		switch s.Verb {
		case "MAIL", "RCPT", "DATA", "QUIT", relaytest.Connect, relaytest.Body, relaytest.Dot:
			return relaytest.Answer{}
		}
		if counts[s.Conn]++; counts[s.Conn] > 10 {
			return relaytest.Answer{Reply: "554 Too many nonmail commands", Cut: true}
		}
		return relaytest.Answer{}
	}
}

func TestProbe_AHundredInARow(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Greeting: "220 mx.test ESMTP Exim 4.96", Answer: relaytest.First(
		relaytest.For("no@y.example", "RCPT", relaytest.Answer{Reply: "550 no such user"}), eximCounts())})
	c := client(t, nil, mta)
	for i := range 100 {
		m := message("x@y.example", "no@y.example")
		r := c.Probe(t.Context(), m)
		if r[0].Outcome != mail.Delivered || r[0].Reply != "250 2.1.5 recipient fine" || r[1].Outcome != mail.Failed ||
			m.Content.(*content).opened > 0 {
			t.Fatalf("probe %d: %+v", i, r)
		}
	}
	if n := mta.Connections(); n != 20 {
		t.Errorf("%d connections", n)
	}
	if len(mta.Mails()) > 0 {
		t.Error("a probe delivered something")
	}
	if s := strings.Join(mta.Lines(), "|"); strings.Count(s, "EHLO") != 20 || strings.Contains(s, "DATA") ||
		strings.Count(s, "RSET") != 80 { // QUIT takes the fifth one back
		t.Error("EHLO after RSET, or RSET before QUIT, or DATA")
	}
}

func TestS4_WhatIsSentIsExact(t *testing.T) {
	long := strings.Repeat("x", 1_000_000)
	for name, body := range map[string]string{
		"998":       strings.Repeat("y", 998) + "\r\n",
		"1001":      strings.Repeat("y", 1001) + "\r\n",
		"million":   long + "\r\n",
		"dots":      ".\r\n..\r\n.a\r\n\r\n.\r\n",
		"NUL, 8":    "\x00\xff\x80\r\n",
		"empty":     "\r\n",
		"big":       strings.Repeat("a line of text\r\n", 100_000),
		"dot first": ".",
	} {
		if name == "dot first" {
			body = ".first octet\r\n"
		}
		for _, offers := range [][]string{nil, {"SIZE"}, {}} {
			mta := relaytest.New(t, relaytest.Script{Offers: offers})
			c := client(t, nil, mta)
			m := message("x@y.example")
			m.Content = &content{text: body, size: int64(len(body))}
			if r := c.Deliver(t.Context(), m); !r.Done(1) {
				t.Fatalf("%s: %+v", name, r)
			}
			x := mta.Mails()[0]
			if string(x.Data) != body {
				t.Errorf("%s: %d octets came, of %d", name, len(x.Data), len(body))
			}
			if size := fmt.Sprintf("SIZE=%d", len(x.Data)); len(offers) != 0 && !strings.Contains(x.Params, size) {
				t.Errorf("%s: %q without %s", name, x.Params, size)
			}
		}
	}
}

func TestS4_TooBigIsNotSent(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Offers: []string{"SIZE 20"}})
	c := client(t, nil, mta)
	m := message("x@y.example", "z@y.example")
	r := c.Deliver(t.Context(), m)
	if !r.All(mail.Failed) || r[1].Enhanced != "5.3.4" || r[1].Scope != mail.OfMessage || r[1].RemoteMTA == "" {
		t.Fatalf("%+v", r)
	}
	if s := strings.Join(mta.Lines(), "|"); strings.Contains(s, "MAIL") || m.Content.(*content).opened > 0 {
		t.Fatal(s)
	}
	unknown := message("x@y.example")
	unknown.Content.(*content).size = -1
	if c.Deliver(t.Context(), unknown); strings.Contains(strings.Join(mta.Lines(), "|"), "SIZE=") {
		t.Fatal("SIZE of an unknown size")
	}
}

func TestS4_International(t *testing.T) {
	plain := relaytest.New(t, relaytest.Script{Offers: []string{"8BITMIME"}})
	c := client(t, nil, plain)
	r := c.Deliver(t.Context(), message("ü@y.example", "x@y.example"))
	if r[0].Outcome != mail.Failed || r[0].Enhanced != "5.6.7" || r[0].Scope != mail.OfRecipient ||
		r[1].Outcome != mail.Delivered {
		t.Errorf("%+v", r)
	}
	m := message("x@y.example")
	m.Envelope.Reverse = "sénder@a.example"
	if r := c.Deliver(t.Context(), m); !r.All(mail.Failed) || r[0].Scope != mail.OfMessage || r[0].Enhanced != "5.6.7" {
		t.Errorf("%+v", r)
	}
	able := relaytest.New(t, relaytest.Script{})
	c = client(t, nil, able)
	if r := c.Deliver(t.Context(), message("ü@y.example")); !r.Done(1) {
		t.Errorf("%+v", r)
	}
	if x := able.Mails()[0]; !strings.Contains(x.Params, "SMTPUTF8") || x.To[0].Path != "ü@y.example" {
		t.Errorf("%+v", x)
	}
}

func TestDSNParameters(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{Answer: relaytest.Once(relaytest.At("EHLO",
		relaytest.Answer{Reply: "250 nothing"}))})
	m := message("x@y.example", "z@y.example")
	m.Envelope.EnvID, m.Envelope.Ret = "a+2Bb", "hdrs"
	m.Envelope.Recipients[0].Notify = "success,FAILURE"
	m.Envelope.Recipients[0].Original = "rfc822;old+2Btag@y.example"
	m.Envelope.Recipients[1].Notify = "never,delay" // malformed: left out
	m.Envelope.Recipients[1].Original = "x400;c=us"
	c := client(t, func(o *Options) { o.PerConnection = 1 }, mta)
	for range 2 {
		m.Content = &content{text: text, size: -1}
		if r := c.Deliver(t.Context(), m); !r.Done(2) {
			t.Fatalf("%+v", r)
		}
	}
	without, with := mta.Mails()[0], mta.Mails()[1]
	if without.Params+without.To[0].Params != "" {
		t.Errorf("not offered: %+v", without)
	}
	if with.Params != "BODY=8BITMIME RET=HDRS ENVID=a+2Bb" ||
		with.To[0].Params != "NOTIFY=SUCCESS,FAILURE ORCPT=RFC822;old+2Btag@y.example" || with.To[1].Params != "" {
		t.Errorf("%+v", with)
	}
}

func TestS5_AddressesAreCheckedAgain(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	c := client(t, nil, mta)
	bad := []mail.Path{"a\r\nRCPT TO:<b>@x.example", "a@x.example>\r\nDATA", "-oX@x.example", "a b@x.example",
		"@a:b@c.example", "<a@b.example>", "|cmd@x.example", "/etc/passwd@x.example", "", "a@b.example\x00",
		mail.Path(strings.Repeat("x", 10<<10) + "@y.example")}
	r := c.Deliver(t.Context(), message(append(bad, "good@y.example", "a@[127.0.0.1]", `"a b"@y.example`)...))
	for i, p := range bad {
		if r[i].Outcome != mail.Failed || r[i].Err == nil || r[i].Enhanced != "5.1.3" {
			t.Errorf("%q: %+v", p, r[i])
		}
	}
	x := mta.Mails()
	if len(x) != 1 || len(x[0].To) != 3 || x[0].To[0].Path != "good@y.example" || !bytes.Equal(x[0].Data, []byte(text)) {
		t.Errorf("%+v", x)
	}
	for _, l := range mta.Lines() {
		if strings.Contains(l, "RCPT TO:<b>") || strings.Contains(l, "passwd") {
			t.Error(l)
		}
	}
	m := message("x@y.example")
	m.Envelope.Reverse = "a@b.example> SIZE=1\r\nRSET"
	if r := c.Deliver(t.Context(), m); !r.All(mail.Failed) || r[0].Enhanced != "5.1.7" || r[0].Scope != mail.OfMessage {
		t.Errorf("%+v", r)
	}
}

func TestR20_HelloIsOneWord(t *testing.T) {
	for _, name := range []string{"", "a b", "a\r\nRSET", "a\x00", "a\n", `a"b`, "a\\b", "ü", "a>b"} {
		if _, err := New(Options{Hello: name, Dial: make([]wire.Options, 1)}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	for _, name := range []string{"mail.kroon.co.za", "[127.0.0.1]", "[IPv6:::1]", "a_b"} {
		if _, err := New(Options{Hello: name, Dial: make([]wire.Options, 1)}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestContentThatCannotBeRead(t *testing.T) {
	mta := relaytest.New(t, relaytest.Script{})
	c := client(t, nil, mta)
	broken := errors.New("disk on fire")
	m := message("x@y.example")
	m.Content.(*content).fail = broken
	r := one(t, c.Deliver(t.Context(), m))
	if r.Outcome != mail.Deferred || !errors.Is(r.Err, broken) || r.After != mail.OpBody || r.Scope == mail.OfLane {
		t.Fatalf("%+v", r)
	}
	if !c.Deliver(t.Context(), message("x@y.example")).Done(1) || len(mta.Mails()) != 1 {
		t.Fatal("half a message arrived, or no other one")
	}
	if m.Content.(*content).closed != 1 {
		t.Fatal("not closed")
	}
}
