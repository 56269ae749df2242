package bounce

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailretr/store/mail"
)

var update = flag.Bool("update", false, "write the golden files")

// givenUp is the error of a recipient that somebody has given up, as the queue has it.
type givenUp string

func (givenUp) Error() string     { return "given up" }
func (g givenUp) GivenUp() string { return string(g) }

// content is a message in memory, as a queue has it.
type content struct {
	octets string
	size   int64 // announced; 0: exact
	opened int
}

func (c *content) Size() int64 {
	if c.size != 0 {
		return c.size
	}
	return int64(len(c.octets))
}

func (c *content) Header(context.Context) ([]byte, error) {
	return mail.HeaderOf([]byte(c.octets)), nil
}

func (c *content) Open(context.Context) (io.ReadCloser, error) {
	c.opened++
	return io.NopCloser(strings.NewReader(c.octets)), nil
}

// endless is a source of randomness that is the same each time.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

var (
	noon   = time.Date(2026, 3, 5, 12, 0, 0, 0, time.FixedZone("", 2*3600))
	queued = noon.Add(-90 * time.Minute)
)

func reporter() *Reporter {
	return &Reporter{
		Name: "Mail Delivery System", From: "mailer-daemon@kroon.co.za", Postmaster: "postmaster@kroon.co.za",
		Host: "mail.kroon.co.za", Random: endless(7), Now: func() time.Time { return noon },
		AuthServ: func(maildrop string) string { return map[string]string{"jaco": "mx.isp.example"}[maildrop] },
	}
}

const letter = "Return-Path: <ann@example.org>\r\n" +
	"Received: from a by b; Thu, 5 Mar 2026 10:00:00 +0000\r\n" +
	"From: Ann <ann@example.org>\r\nTo: jaco@kroon.co.za\r\nSubject: =?utf-8?q?Holiday_photos_=E2=98=80?=\r\n" +
	"Message-ID: <1@example.org>\r\nDate: Thu, 5 Mar 2026 10:00:00 +0000\r\n\r\nsecret body\r\n"

// message is one that failed for these recipients.
func message(octets string, to ...mail.Path) *mail.Message {
	m := &mail.Message{
		ID: mail.NewID(queued, endless(1)), Queued: queued, Attempts: 3, Content: &content{octets: octets},
		Origin:   mail.Origin{Maildrop: "jaco", UID: "INBOX/1/88"},
		Envelope: mail.Envelope{Reverse: "ann@example.org"},
	}
	for _, t := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: t})
	}
	return m
}

func refused(reply, enhanced string) mail.Result {
	return mail.Result{
		Outcome: mail.Failed, Reply: reply, Enhanced: enhanced, RemoteMTA: "localhost:25",
		At: noon.Add(-time.Second),
	}
}

// one returns the only report, and its octets.
func one(t *testing.T, r *Reporter, m *mail.Message, rep mail.Report) (*mail.Message, string) {
	t.Helper()
	list, err := r.Report(t.Context(), m, rep)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d reports, %v", len(list), err)
	}
	return list[0], octets(t, list[0])
}

// octets reads a report, and checks what is true of each.
func octets(t testing.TB, m *mail.Message) string {
	t.Helper()
	rd, err := m.Content.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rd)
	if err != nil {
		t.Fatal(err)
	}
	if err := rd.Close(); err != nil {
		t.Error(err)
	}
	if int64(len(b)) != m.Content.Size() {
		t.Errorf("size is %d, announced as %d", len(b), m.Content.Size())
	}
	if !m.Envelope.Reverse.Null() || len(m.Envelope.Recipients) != 1 ||
		m.Envelope.Recipients[0].Forward.Check() != nil {
		t.Errorf("envelope %+v", m.Envelope)
	}
	h, err := m.Content.Header(context.Background())
	if err != nil || !bytes.HasPrefix(b, h) || !bytes.HasSuffix(h, []byte("\r\n\r\n")) {
		t.Errorf("header is %q, %v", h, err)
	}
	return string(b)
}

// wellFormed checks the structure with the standard library: one From, three parts, no line too long,
// normal form.
func wellFormed(t testing.TB, s string) (h netmail.Header, parts [3]string) {
	t.Helper()
	if strings.Contains(strings.ReplaceAll(s, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(s,
		"\r\n", ""), "\r") {
		t.Error("there is a bare CR or LF")
	}
	if !strings.HasSuffix(s, "\r\n") {
		t.Error("it does not end with CRLF")
	}
	for _, l := range strings.Split(s, "\r\n") {
		if len(l) > 998 {
			t.Errorf("a line has %d octets: %q…", len(l), l[:80])
		}
	}
	msg, err := netmail.ReadMessage(strings.NewReader(s))
	if err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	for _, name := range []string{"From", "To", "Date", "Subject", "Message-Id", "Auto-Submitted",
		"Content-Type"} {
		if len(msg.Header[name]) != 1 {
			t.Errorf("%d fields %s", len(msg.Header[name]), name)
		}
	}
	for name := range msg.Header {
		switch name {
		case "From", "To", "Date", "Subject", "Message-Id", "Auto-Submitted", "Content-Type", "Mime-Version",
			"Content-Transfer-Encoding", "In-Reply-To", "References":
		default:
			t.Errorf("there is a field %s", name)
		}
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	mr := multipart.NewReader(msg.Body, params["boundary"])
	for n := 0; ; n++ {
		p, err := mr.NextPart() // decodes quoted-printable
		if err == io.EOF {
			if n != 3 {
				t.Errorf("%d parts", n)
			}
			return msg.Header, parts
		}
		if err != nil || n == 3 {
			t.Fatalf("part %d: %v", n, err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		// multipart.Part forgets the field when it decodes.
		if n == 1 && p.Header.Get("Content-Transfer-Encoding") == "" {
			t.Error("the fields for programs are encoded") // RFC 3464, 2.1
		}
		parts[n] = string(b)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".eml")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func TestGolden(t *testing.T) {
	expired := mail.Result{Reply: "451 4.3.0 Zip module failure", Enhanced: "4.3.0", RemoteMTA: "127.0.0.1:25",
		After: mail.OpDot}
	for name, x := range map[string]struct {
		m   *mail.Message
		rep mail.Report
	}{
		"refused": {message(letter, "jaco@kroon.co.za"), mail.Report{refused("550 5.1.1 User unknown",
			"5.1.1")}},
		"several": {
			message(letter, "jaco@kroon.co.za", "piet@kroon.co.za", `"a b"@kroon.co.za`),
			mail.Report{refused("550 5.1.1 User unknown", "5.1.1"), {}, refused("553 odd", "")},
		},
		"expired": {old(message(letter, "jaco@kroon.co.za")), mail.Report{expired}},
		"given-up": {old(message(letter, "jaco@kroon.co.za", "anna@kroon.co.za")), mail.Report{
			{Outcome: mail.Failed, Enhanced: "5.0.0", Reply: "451 4.3.0 Zip module failure", RemoteMTA: "127.0.0.1:25",
				Err: givenUp("send it in parts,\r\nplease.")},
			{Outcome: mail.Failed, Enhanced: "5.0.0", Err: givenUp("")},
		}},
		"away": {old(message(letter, "jaco@kroon.co.za")), mail.Report{{Err: errors.New("dial: refused"),
			After: mail.OpExpire}}},
		"parameters": {withParameters(message(letter, "jaco@kroon.co.za")), mail.Report{refused("550 5.1.1 no",
			"5.1.1")}},
		"refused-by-probe": {
			func() *mail.Message {
				m := message(letter, "jaco@kroon.co.za")
				m.ID, m.Queued, m.Attempts = mail.ID{}, time.Time{}, 0
				return m
			}(),
			mail.Report{refused("550 5.7.1 we do not take mail from you", "5.7.1")},
		},
		"too-large": {
			func() *mail.Message {
				m := message(letter, "jaco@kroon.co.za")
				m.ID, m.Queued, m.Attempts = mail.ID{}, time.Time{}, 0
				m.Content.(*content).size = 25_300_000
				return m
			}(),
			mail.Report{{Outcome: mail.Failed, Enhanced: "5.2.3", Err: errors.New("too large")}},
		},
		"circle": {message(letter, "jaco@kroon.co.za"),
			mail.Report{{Outcome: mail.Failed, Enhanced: "5.4.6", Err: errors.New("this message was here before")}}},
		"utf8-recipient": {message(letter, "jürgen+x@kroon.co.za"),
			mail.Report{refused("550 5.1.1 <jürgen+x@kroon.co.za>: Benutzer unbekannt – tschüss", "5.1.1")}},
		"utf8-sender": {
			func() *mail.Message {
				m := message("From: Änne <änne@example.org>\r\nSubject: Grüße\r\n\r\nx\r\n", "jürgen@kroon.co.za")
				m.Envelope.Reverse = "änne@example.org"
				return m
			}(),
			mail.Report{refused("550 5.1.1 unbekannt: jürgen", "5.1.1")},
		},
		"hostile": {
			message("X: "+strings.Repeat("y",
				2000)+"\nno field\n\tfold\nBad\xff: \x00\rx\nSubject: =?utf-8?q?a=0D=0ABcc:_b?=\n\n", "jaco@kroon.co.za"),
			mail.Report{refused("550 5.1.1 a\r\nBcc: evil@example.org\r\n\r\n--=_x\x00\x1b[2J \xff\u202e", "2.0.0")},
		},
		"postmaster": {
			func() *mail.Message {
				m := message(letter, "jaco@kroon.co.za")
				m.Envelope.Reverse = ""
				return m
			}(),
			mail.Report{refused("550 5.1.1 User unknown", "5.1.1")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, s := one(t, reporter(), x.m, x.rep)
			golden(t, name, s)
			wellFormed(t, s)
			if got.Parent != x.m.ID {
				t.Error("the parent is missing")
			}
			if name != "postmaster" && (strings.Contains(s, "secret body") || x.m.Content.(*content).opened > 0) {
				t.Error("the body was read")
			}
		})
	}
}

func old(m *mail.Message) *mail.Message {
	m.Queued, m.Attempts = noon.Add(-5*24*time.Hour-3*time.Hour), 37
	return m
}

func withParameters(m *mail.Message) *mail.Message {
	m.Envelope.EnvID = "QQ+2B314159"
	m.Envelope.Recipients[0].Original = "rfc822;jaco+2Btag@old.example"
	m.Envelope.Recipients[0].Notify = "SUCCESS,FAILURE"
	return m
}

// TestDoubleBounce: a report that fails goes to the postmaster once, whole, and ends there.
func TestDoubleBounce(t *testing.T) {
	r := reporter()
	first, s := one(t, r, message(letter, "jaco@kroon.co.za"), mail.Report{refused("550 no", "")})
	first.ID, first.Queued = mail.NewID(noon, endless(2)), noon
	r.Random = endless(8)
	second, whole := one(t, r, first, mail.Report{refused("550 no such sender", "5.1.1")})
	if to := second.Envelope.Recipients[0].Forward; to != r.Postmaster {
		t.Errorf("goes to %s", to)
	}
	_, parts := wellFormed(t, whole)
	if parts[2] != s {
		t.Error("the report inside is not what it was")
	}
	golden(t, "double", whole)
	second.ID = mail.NewID(noon, endless(3))
	if list, err := r.Report(t.Context(), second, mail.Report{refused("550 no", "")}); len(list) != 0 ||
		err != nil {
		t.Errorf("%d reports on the report to the postmaster, %v", len(list), err)
	}
}

// TestNobody: where nobody may be told there is no message and no error.
func TestNobody(t *testing.T) {
	null := message(letter, "jaco@kroon.co.za")
	null.Envelope.Reverse = ""
	probed := *null
	probed.ID = mail.ID{}
	never := message(letter, "jaco@kroon.co.za")
	never.Envelope.Recipients[0].Notify = "NEVER"
	noPostmaster := reporter()
	noPostmaster.Postmaster = ""
	for name, x := range map[string]struct {
		r *Reporter
		m *mail.Message
	}{
		"no postmaster": {noPostmaster, null},
		"after a probe": {reporter(), &probed},
		"NOTIFY=NEVER":  {reporter(), never},
		"nobody failed": {reporter(), message(letter)},
	} {
		rep := mail.Report{refused("550 no", "")}
		if list, err := x.r.Report(t.Context(), x.m, rep); len(list) != 0 || err != nil {
			t.Errorf("%s: %d reports, %v", name, len(list), err)
		}
	}
	delivered := mail.Report{{Outcome: mail.Delivered}}
	if list, _ := reporter().Report(t.Context(), message(letter, "jaco@kroon.co.za"),
		delivered); len(list) != 0 {
		t.Error("a delivered recipient is reported")
	}
}

// TestNeverPerRecipient: those who asked for no report are not in it.
func TestNeverPerRecipient(t *testing.T) {
	m := message(letter, "a@kroon.co.za", "b@kroon.co.za", "c@kroon.co.za")
	m.Envelope.Recipients[0].Notify = "NEVER"
	m.Envelope.Recipients[2].Notify = "delay"
	_, s := one(t, reporter(), m, mail.Same(3, refused("550 no", "")))
	if strings.Contains(s, "a@kroon") || !strings.Contains(s, "b@kroon") || strings.Contains(s, "c@kroon") {
		t.Error(s)
	}
}

func TestHeaderCannotBeRead(t *testing.T) {
	m := message(letter, "jaco@kroon.co.za")
	m.Content = broken{&content{}}
	if _, err := reporter().Report(t.Context(), m, mail.Report{refused("550 no", "")}); !errors.Is(err,
		io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

type broken struct{ *content }

func (broken) Header(context.Context) ([]byte, error)      { return nil, io.ErrUnexpectedEOF }
func (broken) Open(context.Context) (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }

// TestWrappedSizeIsExact: a message that has not the announced size makes the report an error, not a lie.
func TestWrappedSizeIsExact(t *testing.T) {
	for size, ok := range map[int64]bool{
		int64(len(letter)): true, int64(len(letter)) + 1: false, int64(len(letter)) - 1: false,
	} {
		m := message(letter, "jaco@kroon.co.za")
		m.Envelope.Reverse = ""
		m.Content.(*content).size = size
		list, err := reporter().Report(t.Context(), m, mail.Report{refused("550 no", "")})
		if err != nil || len(list) != 1 {
			t.Fatal(err)
		}
		for _, one := range []bool{false, true} {
			rd, err := list[0].Content.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var src io.Reader = rd
			if one {
				src = oneByte{rd}
			}
			n, err := io.Copy(io.Discard, src)
			if (err == nil) != ok || ok && n != list[0].Content.Size() {
				t.Errorf("announced %d of %d: %d octets, %v", size, len(letter), n, err)
			}
		}
	}
	m := message(letter, "jaco@kroon.co.za")
	w := &wrapped{inner: broken{&content{}}}
	if _, err := w.Open(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || m == nil {
		t.Error(err)
	}
}

// oneByte reads one octet at a time.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

// TestLargeMessageIsNotHeld wraps a message of 100 MB.
func TestLargeMessageIsNotHeld(t *testing.T) {
	m := message("", "jaco@kroon.co.za")
	m.Envelope.Reverse = ""
	m.Content = large{}
	list, err := reporter().Report(t.Context(), m, mail.Report{refused("550 no", "")})
	if err != nil {
		t.Fatal(err)
	}
	allocated := testing.AllocsPerRun(1, func() {
		rd, err := list[0].Content.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, rd, make([]byte, 64<<10))
		if err != nil || n != list[0].Content.Size() {
			t.Errorf("%d octets, %v", n, err)
		}
	})
	if allocated > 100 {
		t.Errorf("%f allocations", allocated)
	}
}

type large struct{}

func (large) Size() int64                            { return 100 << 20 }
func (large) Header(context.Context) ([]byte, error) { return []byte("A: b\r\n\r\n"), nil }
func (large) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(endless('x'), 100<<20)), nil
}

func TestManyRecipients(t *testing.T) {
	m := message(letter)
	for i := range 1000 {
		m.Envelope.Recipients = append(m.Envelope.Recipients,
			mail.Recipient{Forward: mail.Path(fmt.Sprintf("u%d@kroon.co.za", i))})
	}
	_, s := one(t, reporter(), m, mail.Same(1000, refused("550 no", "")))
	_, parts := wellFormed(t, s)
	if n := strings.Count(parts[1], "\r\nFinal-Recipient: "); n != 1000 {
		t.Errorf("%d recipients for programs", n)
	}
	if !strings.Contains(parts[0], "And 950 more") {
		t.Error(parts[0])
	}
}
