package pop3

import (
	"context"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// options reaches a scripted server over a line, in plain text.
func options(s *fetchtest.POP3, l *fetchtest.Line) Options {
	return Options{
		Dial: wire.Options{Address: "pop.test:110", TLS: wire.TLS{Mode: wire.Plain},
			DialContext: l.Dialer(s.Dial)},
		User: "jaco", Password: password("secret"),
		After: Delete, Name: "jaco", Account: "acc",
	}
}

func password(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func harness(t *testing.T, change func(*fetchtest.POP3, *Options)) fetchtest.Harness {
	s := fetchtest.NewPOP3(t)
	changed := Options{After: Delete} // once, before anybody dials: a server of an earlier session may still be reading its settings
	change(s, &changed)
	return fetchtest.Harness{
		Can: fetchtest.Can{Line: true, List: true, Again: true, Deletes: changed.After == Delete, Raw: true, Ahead: true,
			Release: true, Gone: true, Glance: !s.NoUIDL || !s.NoTOP},
		Put: s.Put, Clear: s.Clear, Left: s.Left, Lie: s.Lie,
		Retriever: func(l *fetchtest.Line) mail.Retriever {
			o := options(s, l)
			o.Memory, o.Dial.TLS, o.After = changed.Memory, changed.Dial.TLS, changed.After
			if changed.Dial.TLS.Roots == nil {
				o.Dial.TLS = wire.TLS{Mode: wire.Plain}
			}
			o.Auth = changed.Auth
			return &Retriever{o}
		},
	}
}

// TestContract is the suite, for servers of all sorts.
func TestContract(t *testing.T) {
	ca := fetchtest.NewCA(t)
	for name, change := range map[string]func(*fetchtest.POP3, *Options){
		"pipelining": func(*fetchtest.POP3, *Options) {},
		"remembered": func(s *fetchtest.POP3, o *Options) {
			o.Memory = &memory{}
			first := options(s, nil)
			first.Memory = o.Memory
			if err := open(t, first).Close(); err != nil {
				t.Fatal(err)
			}
		},
		"lockstep":  func(s *fetchtest.POP3, _ *Options) { s.Caps = []string{"TOP", "UIDL", "USER"} },
		"noCAPA":    func(s *fetchtest.POP3, _ *Options) { s.Caps = nil },
		"noUIDL":    func(s *fetchtest.POP3, _ *Options) { s.Caps, s.NoUIDL = nil, true },
		"noTOP":     func(s *fetchtest.POP3, _ *Options) { s.Caps, s.NoTOP = []string{"UIDL", "USER"}, true },
		"silentTOP": func(s *fetchtest.POP3, _ *Options) { s.Caps, s.NoTOP = nil, true },
		"nothing":   func(s *fetchtest.POP3, _ *Options) { s.Caps, s.NoTOP, s.NoUIDL = nil, true, true },
		"small":     func(s *fetchtest.POP3, _ *Options) { s.Buffer = 1 << 10 },
		"plain":     func(_ *fetchtest.POP3, o *Options) { o.Auth = Plain },
		"STLS": func(s *fetchtest.POP3, o *Options) {
			if s.TLS == nil {
				s.TLS = ca.Server("pop.test", nil)
			}
			o.Dial.TLS = wire.TLS{Mode: wire.StartTLS, Roots: ca.Pool}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fetchtest.Run(t, func(t *testing.T) fetchtest.Harness { return harness(t, change) })
		})
	}
}
