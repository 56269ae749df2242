package conf

import (
	"strings"
	"testing"
)

func TestEndpoints(t *testing.T) {
	for s, want := range map[string]string{
		"mx1.example.org": "mx1.example.org:25", "mx:example.org": "mx:example.org:25", "mx:example.org:2525": "mx:example.org:2525",
		"/run/x": "unix:/run/x", "unix:/run/x": "unix:/run/x", "[::1]:24": "[::1]:24",
		"mx": "mx:25", "mx:2525": "mx:2525",
	} {
		e, err := ParseEndpoint("smtp", s)
		if err != nil || e.String() != want {
			t.Errorf("%s: %v, %v", s, e, err)
		}
		if again, err := ParseEndpoint("smtp", e.String()); err != nil || again != e {
			t.Errorf("%s: %v is read as %v, %v", s, e, again, err)
		}
	}
	for _, s := range []string{"mx:", "mx::25", ":25", "a:b", "a:70000"} {
		if e, err := ParseEndpoint("smtp", s); err == nil {
			t.Errorf("%q is read as %v", s, e)
		}
	}
	for _, s := range []string{"mx:example.org", "mx.example.org"} {
		if e, err := ParseEndpoint("lmtp", s); err == nil {
			t.Errorf("LMTP: %q is read as %v", s, e)
		}
	}
}

// Each server has the mode that is right for it, unless one was written.
func TestEndpoints_Modes(t *testing.T) {
	for mode, want := range map[Mode][3]Mode{
		ModeDefault:  {ModeNone, ModeStartTLS, ModeImplicit},
		ModeStartTLS: {ModeStartTLS, ModeStartTLS, ModeStartTLS},
	} {
		d := Destination{Kind: "smtp", Network: "tcp", Address: "localhost:25", TLS: TLS{Mode: mode}}
		for _, s := range []string{"mx:example.org", "mx.example.org:465"} {
			e, err := ParseEndpoint("smtp", s)
			if err != nil {
				t.Fatal(err)
			}
			d.SMTP.Others = append(d.SMTP.Others, e)
		}
		d.complete("h")
		d.complete("h")
		for i, e := range d.Endpoints() {
			if e.Mode != want[i] {
				t.Errorf("%q: %v: %s, want %s", mode, e, e.Mode, want[i])
			}
		}
	}
}

func TestEndpoints_Mistakes(t *testing.T) {
	for _, x := range []struct {
		change func(*Destination)
		want   string
	}{
		{func(d *Destination) { d.SMTP.Others = []Endpoint{{Network: "tcp", Address: "a_\n:25"}} }, "is no host"},
		{func(d *Destination) { d.SMTP.Others = []Endpoint{{Network: "unix", Address: "x"}} }, "is no path of a socket"},
		{func(d *Destination) { d.SMTP.Others = []Endpoint{{Network: "mx", Address: "192.0.2.1:25"}} }, "is no domain"},
		{func(d *Destination) { d.SMTP.Recipients = -1 }, "recipients"},
		{func(d *Destination) { d.SMTP.Balance = true }, "only one server"},
		{func(d *Destination) {
			d.User, d.Password = "u", SecretEnv("X")
			d.SMTP.Others = []Endpoint{{Network: "tcp", Address: "mx.example.org:25", Mode: ModeNone}}
		}, "in clear text"},
		{func(d *Destination) { d.Kind, d.Address = "maildir", "/m"; d.At.Set("recipients", Pos{"f", 3, 4}) }, "is for smtp and lmtp"},
	} {
		c := good(t)
		x.change(&c.Deliver[0])
		if problems := c.Validate(); len(problems) == 0 || !strings.Contains(problems[0].Text, x.want) {
			t.Errorf("%s: %v", x.want, problems)
		}
	}
}
