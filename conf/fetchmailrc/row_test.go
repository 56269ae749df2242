package fetchmailrc

import (
	"fmt"
	"strings"
	"testing"

	"mailretr/conf"
)

func ofRow(protocol string) *conf.Maildrop {
	m := conf.DefaultMaildrop()
	m.Protocol, m.Host, m.Port, m.TLS.Mode = protocol, "h.example", services[protocol], conf.ModeStartTLS
	return &m
}

func saidOf(m *conf.Maildrop) string {
	s := m.After.String()
	if m.Oversize != nil {
		s += fmt.Sprint(" above ", m.Oversize.Above, " ", m.Oversize.Then)
	}
	for _, f := range m.Folders {
		s += " " + f.Name
	}
	if m.Secure || m.TLS.Mode != conf.ModeStartTLS {
		s += fmt.Sprint(" ", m.TLS.Mode, " ", m.Port)
	}
	return s
}

// What panels let people write there is done, or it is said which of it is not.
func TestOptionsOfARow(t *testing.T) {
	for _, x := range []struct{ text, want, unmet string }{
		{"", "keep", ""},
		{"no keep", "delete", ""},
		{"options nokeep fetchall", "delete", ""},
		{"nokeep keep", "keep", ""},
		{"limit 1000000 warnings 3600", "keep above 1000001 notice", ""},
		{"limit 0, folders INBOX 'Sent Items';", "keep INBOX Sent Items", ""},
		{"ssl sslproto tls1.2 sslcertck", "keep implicit 993", ""},
		{"stripcr mimedecode no rewrite", "keep", "stripcr: " + ended + "; mimedecode: " + octets},
		{"no sslcertck sslproto ''", "keep", "sslcertck: the connection is secured in any case; sslproto: the connection is secured in any case"},
		{"mda '/bin/sh -c id' keep", "keep", "mda: runs a program"},
		{`preconnect "rm -rf /" plugin "nc %h %p" smtphost evil.example`, "keep",
			"preconnect: runs a program; plugin: runs a program; smtphost: says where mail goes"},
		{"sslcertfile /etc/shadow password geheim via other.example port 25", "keep",
			"sslcertfile: reads a file; password: stands for the column of the password; via: stands for the column of the server; " +
				"port: stands for the column of the port"},
		{"no keep geheim limit 5", "delete", "what stands from character 9 on is no option"},
		{"no keep limit geheim", "delete", "from character 15 on it is not understood"},
		{"poll evil.example user root is root here", "keep", "what stands from character 1 on is no option"},
		{"set logfile /x", "keep", "what stands from character 1 on is no option"},
		{"no keep 'geheim", "delete", "from character 9 on it is not understood"},
		{strings.Repeat("mda geheim ", 50), "keep", strings.TrimSuffix(strings.Repeat("mda: runs a program; ", 10), "; ")},
	} {
		m := ofRow("imap")
		unmet := strings.Join(Options(x.text, m), "; ")
		if got := saidOf(m); got != x.want || unmet != x.unmet {
			t.Errorf("%q: %s; %s", x.text, got, unmet)
		}
		if len(m.Preconnect)+len(m.Dial) > 0 || m.TLS.Insecure || m.TLS.CA+m.TLS.Cert+m.TLS.Key+m.TLS.Name != "" || m.Deliver != "" || m.Idle != 0 ||
			m.Host != "h.example" || strings.Contains(unmet, "geheim") {
			t.Errorf("%q: %+v", x.text, m)
		}
	}
	if m := ofRow("pop3"); len(Options("folder x", m)) != 1 || m.Folders != nil {
		t.Errorf("POP3: %+v", m)
	}
}

// Every option of fetchmail is done for a row, or has a reason why it is not.
func TestEveryOptionOfARow(t *testing.T) {
	done := map[string]bool{"keep": true, "fetchall": true, "uidl": true, "folder": true, "limit": true, "warnings": true, "ssl": true,
		"sslcertck": true, "sslproto": true, "bad-header": true}
	for name, o := range options {
		if o.scope&(ofServer|ofUser) != 0 && !done[name] && o.none == "" && forbidden[name] == "" {
			t.Errorf("%s is passed over in silence", name)
		}
	}
}

// Whatever stands there, no more is done than may be, and nothing of it is shown.
func FuzzOptionsOfARow(f *testing.F) {
	for _, s := range []string{"no keep limit 5", `mda "x`, "folder \x00 'a", "nokeep ssl auth password x", "envelope 3 X no no keep", "=*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := ofRow("imap")
		unmet := Options(text, m)
		if len(m.Preconnect)+len(m.Dial) > 0 || m.TLS.Insecure || m.TLS.CA+m.TLS.Cert+m.TLS.Key+m.TLS.Name != "" || m.Deliver != "" ||
			m.Host != "h.example" || m.Password.Given() || m.Port != 143 && m.Port != 993 || m.TLS.Mode == conf.ModeNone || len(unmet) > mostUnmet {
			t.Errorf("%+v %q", m, unmet)
		}
	})
}
