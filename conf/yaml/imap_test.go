package yaml

import (
	"bytes"
	"strings"
	"testing"
)

const appended = `hostname: mail.example.org
bounce: {from: mailer-daemon@example.org, postmaster: postmaster@example.org}
deliver:
  imap: {url: "imaps://jaco@mail.example.org/Lists%20of/%C3%A4", folder: keep, flags: ['\Seen', work]}
  password: {env: PASS}
` + oneDrop

func TestMailbox(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": appended})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	d := c.Deliver[0]
	if d.Kind != "imap" || d.Address != "mail.example.org:993" || d.User != "jaco" || d.IMAP.Folder != "Lists of/ä" ||
		d.IMAP.Keep != "keep" || len(d.IMAP.Flags) != 2 || d.TLS.Mode != "implicit" {
		t.Errorf("%+v, %+v", d, d.IMAP)
	}
	var b bytes.Buffer
	if err := Show(&b, &c, false); err != nil {
		t.Fatal(err)
	}
	again, problems, err := load(t, map[string]string{"mailretr.yaml": b.String()})
	if err != nil || len(problems) != 0 || again.Deliver[0].IMAP.Folder != "Lists of/ä" || again.Deliver[0].IMAP.Keep != "keep" {
		t.Errorf("what is shown does not load: %v, %v\n%s", err, problems, b.String())
	}
}

func TestMailbox_Mistakes(t *testing.T) {
	for line, want := range map[string]string{
		`imap: imaps://jaco@mail.example.org/a?b`:                            "a ? or # in a folder",
		`imap: pop3://jaco@mail.example.org`:                                 "it does not begin with imap://",
		`imap: imaps://jaco:pw@mail.example.org`:                             "a password does not belong into the url",
		`imap: imaps://mail.example.org/INBOX`:                               "imap: the user is missing",
		`imap: {url: imaps://jaco@mail.example.org, flags: ['\Deleted']}`:    `flags: "\\Deleted" cannot be given`,
		`imap: {url: imaps://jaco@mail.example.org, folder: yes}`:            `folder: "yes" is not known`,
		`imap: {folder: keep}`:                                               "imap is missing",
		`imap: {url: imaps://jaco@mail.example.org, fladder: x}`:             `unknown key "fladder"`,
		"imap: imaps://jaco@mail.example.org\n  tls: starttls":               "tls: starttls does not go with the url",
		"imap: imaps://jaco@mail.example.org\n  user: piet\n  balance: true": "balance: is for smtp and lmtp",
	} {
		text := appended[:strings.Index(appended, "  imap:")] + "  " + line + "\n" + appended[strings.Index(appended, "  password:"):]
		_, problems, _ := load(t, map[string]string{"mailretr.yaml": text})
		found := false
		for _, p := range problems {
			found = found || strings.Contains(p.String(), want) && strings.Contains(p.String(), "mailretr.yaml:4") ||
				strings.Contains(p.String(), want) && strings.Contains(line, "\n")
		}
		if !found {
			t.Errorf("%s: %v", line, problems)
		}
	}
}
