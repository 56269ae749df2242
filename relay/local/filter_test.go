package local

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// taken is a deliverer that keeps what it got.
type taken struct {
	header, text string
	size         int64
	n            int
}

func (d *taken) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	d.n++
	h, err := m.Content.Header(ctx)
	if err != nil {
		return mail.Report{{Err: err}}
	}
	r, err := m.Content.Open(ctx)
	if err != nil {
		return mail.Report{{Err: err}}
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	d.header, d.text, d.size = string(h), string(b), m.Content.Size()
	return mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered, Err: err})
}

// A filter decides by its exit code, and the original stays as it was.
func TestFilter(t *testing.T) {
	for _, x := range []struct {
		name, script string
		want         mail.Result
		passed       string // "": nothing
	}{
		{"silent", "cat >/dev/null", mail.Result{Outcome: mail.Delivered}, letter},
		{"blind", "exit 0", mail.Result{Outcome: mail.Delivered}, letter},
		{"adds a field", "echo X-Spam: no; cat", mail.Result{Outcome: mail.Delivered}, "X-Spam: no\r\n" + letter},
		{"writes CRLF", `printf 'A: b\r\n\r\nc\r\n.\r\n'`, mail.Result{Outcome: mail.Delivered}, "A: b\r\n\r\nc\r\n.\r\n"},
		{"no last line end", `printf 'A: b\n\nc\rd'`, mail.Result{Outcome: mail.Delivered}, "A: b\r\n\r\nc d\r\n"},
		{"drops", "echo is spam >&2; exit 99", mail.Result{Outcome: mail.Delivered, Enhanced: "2.0.0",
			Reply: "250 2.0.0 discarded by the filter"}, ""},
		{"refuses", "cat; echo 5.7.9 no spam here >&2; exit 100", mail.Result{Outcome: mail.Failed, Enhanced: "5.7.9",
			Reply: "550 5.7.9 no spam here"}, ""},
		{"refuses without a word", "exit 100", mail.Result{Outcome: mail.Failed, Enhanced: "5.7.1",
			Reply: "550 5.7.1 refused by a filter"}, ""},
		{"fails", "echo out of memory >&2; exit 1", mail.Result{Enhanced: "4.3.0", Reply: "451 4.3.0 out of memory"}, ""},
		{"is killed", "cat; kill -9 $$", mail.Result{Enhanced: "4.3.0", Reply: "451 4.3.0 a filter failed for now"}, ""},
		{"hangs", "sleep 1000", mail.Result{Enhanced: "4.3.0", Reply: "451 4.3.0 a filter failed for now"}, ""},
		{"writes without end", "cat /dev/zero", mail.Result{Enhanced: "4.3.0", Reply: "451 4.3.0 a filter wrote too much"}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			to, dir := &taken{}, t.TempDir()
			var told []mail.Event
			f, err := NewFilter(to, FilterOptions{Argv: []string{"/bin/sh", "-c", x.script}, User: me(t), Dir: dir, Lane: "l",
				Timeout: time.Second, Observe: mail.ObserverFunc(func(e mail.Event) { told = append(told, e) })})
			must(t, err)
			m := message(letter, "one@x.example", "two@x.example")
			r := f.Deliver(t.Context(), m)
			if len(r) != 2 || r[1] != r[0] {
				t.Fatalf("%+v", r)
			}
			if got := r[0]; got.Outcome != x.want.Outcome || got.Enhanced != x.want.Enhanced || got.Reply != x.want.Reply ||
				(got.Custody == mail.Reports) != (x.name == "drops") {
				t.Errorf("%+v", got)
			}
			if to.text != x.passed || (to.n == 1) != (x.passed != "") || to.size != int64(len(x.passed)) || !strings.HasPrefix(to.text, to.header) {
				t.Errorf("passed on %d times: %q with header %q and size %d", to.n, to.text, to.header, to.size)
			}
			if dropped := x.name == "drops"; dropped != (len(told) == 1) || dropped && (told[0].Op != mail.OpDiscard ||
				told[0].ID != m.ID || told[0].Lane != "l" || told[0].Reply != "is spam" || told[0].Messages != 1) {
				t.Errorf("%+v", told)
			}
			if text := string(m.Content.(*relaytest.Content).Text); text != letter {
				t.Errorf("the original is %q", text)
			}
			if list, _ := os.ReadDir(dir); len(list) > 0 {
				t.Errorf("left behind: %v", list)
			}
		})
	}
}

// A message that breaks is shown to no filter; a filter that cannot be run concerns the destination.
func TestFilterThatCannot(t *testing.T) {
	to := &taken{}
	f, err := NewFilter(to, FilterOptions{Argv: []string{"/nonexistent/filter"}, User: me(t), Dir: t.TempDir()})
	must(t, err)
	if x := f.Deliver(t.Context(), message(letter, "one@x.example")).Of(0); x.Outcome != mail.Deferred || x.Scope != mail.OfLane {
		t.Errorf("%+v", x)
	}
	m := message(letter, "one@x.example")
	m.Content.(*relaytest.Content).Cut = 10
	if x := f.Deliver(t.Context(), m).Of(0); x.Outcome != mail.Deferred || x.Scope == mail.OfLane {
		t.Errorf("%+v", x)
	}
	if to.n > 0 {
		t.Error("passed on")
	}
	if _, err := NewFilter(to, FilterOptions{Argv: []string{"/bin/cat", "{recipient}"}}); err == nil {
		t.Error("a filter has one recipient")
	}
}
