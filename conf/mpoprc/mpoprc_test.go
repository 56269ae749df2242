package mpoprc

import (
	"fmt"
	"strings"
	"testing"

	"mailretr/conf"
	"mailretr/conf/draft"
)

const sample = `# comment
defaults
tls on
timeout 60
account work
host pop.isp.example
user jaco@isp.example
passwordeval pass mail/work
tls_starttls off
delivery maildir /home/jaco/Mail/
skipsize 10m
killsize 20m
account home : work
host pop.other.example
auth scram-sha-1
keep on
port 1995
proxy_host 192.0.2.1
received_header off
tls_fingerprint 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff
delivery mda /usr/bin/procmail -f '%F' -d $USER
`

func imported(t *testing.T, text string) (conf.Config, []conf.Problem) {
	t.Helper()
	return Import("rc", []byte(text), draft.Options{Hostname: "mail.example.org", Domain: "example.org"})
}

func TestAccounts(t *testing.T) {
	c, notes := imported(t, sample)
	if len(c.Maildrops) != 2 || conf.Failed(notes) {
		t.Fatalf("%+v %v", c, notes)
	}
	got := ""
	for _, m := range c.Maildrops {
		d := c.Deliver[0]
		if m.Deliver != "" {
			d, _ = c.Destination(m.Deliver)
		}
		got += fmt.Sprintln(m.Name, m.URL(), m.Auth, m.After, m.Password.Source(), m.Oversize.Above, m.To, m.Proxy.URL(), d.Kind, d.Address,
			strings.Join(d.Command, "|"), d.Invisible)
	}
	want := `work pop3s://jaco%40isp.example@pop.isp.example auto delete command /bin/sh 10485761 [jaco@example.org]  maildir /home/jaco/Mail  false
home pop3s://jaco%40isp.example@pop.other.example:1995 scram-sha-1 keep command /bin/sh 10485761 [jaco@example.org] socks5://192.0.2.1:1080 command  /bin/sh|-c|/usr/bin/procmail -f "$1" -d $USER|mda|{sender|MAILER-DAEMON} true
`
	if strings.ReplaceAll(got, "jaco@isp.example@", "jaco%40isp.example@") != want {
		t.Errorf("%s", got)
	}
	text := fmt.Sprint(notes)
	for _, want := range []string{"rc:4:1  warning  timeout has no equal", "rc:12:1  warning  killsize has no equal"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
	for _, p := range c.Validate() {
		if p.Severity == conf.Error {
			t.Error(p)
		}
	}
}

// Every command of the manual is known, and each that has no equal is named with its place.
func TestEveryCommandIsNamed(t *testing.T) {
	for command, none := range commands {
		_, notes := imported(t, "account a\nhost pop.isp.example\nuser u\npassword x\n"+command+" 7\n")
		named := strings.Contains(fmt.Sprint(notes), "rc:5:1  warning  "+command+" has no equal")
		if named != (none != "") {
			t.Errorf("%s: %v", command, notes)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "there is no account in it",
		"account a\nbogus x":           `"bogus" is no command of mpop`,
		"account a : b\n":              `there is no account "b" before`,
		"eval echo host x\n":           "nothing is run",
		"account a\nhost h\nport x\n":  `"x" is no port`,
		strings.Repeat("x", maxFile+1): "larger",
		strings.Repeat("account a\nhost x\n", 4e4) + "account b :" + strings.Repeat("a,", 9e4): "more than",
	} {
		if _, notes := imported(t, text); !conf.Failed(notes) || !strings.Contains(fmt.Sprint(notes), want) {
			t.Errorf("%.40q: %.300v", text, notes)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, text string) {
		c, _ := imported(t, text)
		c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
		c.Validate()
	})
}
