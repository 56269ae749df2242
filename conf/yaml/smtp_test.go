package yaml

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const twoServers = `hostname: mail.example.org
bounce: {from: mailer-daemon@example.org, postmaster: postmaster@example.org}
deliver:
  smtp: ["mx1.example.org", "mx2.example.org:26", "mx:example.org", "unix:/run/mta"]
  balance: true
  recipients: 50
` + oneDrop

func TestServers(t *testing.T) {
	c, problems, err := load(t, map[string]string{"mailretr.yaml": twoServers})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	var all []string
	for _, e := range c.Deliver[0].Endpoints() {
		all = append(all, e.String()+" "+string(e.Mode))
	}
	if got := strings.Join(all, ", "); got != "mx1.example.org:25 starttls, mx2.example.org:26 starttls, "+
		"mx:example.org:25 starttls, unix:/run/mta none" {
		t.Error(got)
	}
	var b bytes.Buffer
	if err := Show(&b, &c, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`smtp: ['mx1.example.org:25', 'mx2.example.org:26', 'mx:example.org:25', 'unix:/run/mta']`, "balance: true", "recipients: 50"} {
		if shown := strings.ReplaceAll(b.String(), `"`, "'"); !strings.Contains(shown, want) {
			t.Errorf("%s is not in\n%s", want, shown)
		}
	}
}

func TestServers_Mistakes(t *testing.T) {
	for smtp, want := range map[string]string{
		"[]": "mailretr.yaml:4:9  error    smtp: the list is empty", "[a.example, b:x]": `mailretr.yaml:4:21  error    smtp: "x" is no port`,
		"[a.example, {b: c}]": "mailretr.yaml:4:21  error    smtp: one value is wanted", "[a.example, '']": "is empty",
		"[a.example, 'unix:x']": "is no path of a socket",
	} {
		text := strings.Replace(twoServers, `["mx1.example.org", "mx2.example.org:26", "mx:example.org", "unix:/run/mta"]`, smtp, 1)
		_, problems, _ := load(t, map[string]string{"mailretr.yaml": text})
		if len(problems) == 0 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v", smtp, problems)
		}
	}
}

func TestClient(t *testing.T) {
	text := `hostname: mail.example.org
bounce: {from: mailer-daemon@example.org, postmaster: postmaster@example.org}
deliver: {smtp: localhost, client: xclient}
` + oneDrop
	_, problems, err := load(t, map[string]string{"mailretr.yaml": text})
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "no maildrop says how they are found") {
		t.Error(err, problems)
	}
	for border, want := range map[string]string{
		`{by: "mx?.isp.example", through: [a.example, "*.b.example"]}`: "", "{through: a.example}": "by is missing",
		`{by: "*"}`: "is everybody", `{by: "a b"}`: "is no host", `{by: "[a"}`: "is no host", "{of: x}": `unknown key "of"`,
	} {
		c, problems, _ := load(t, map[string]string{"mailretr.yaml": text + "    client: " + border + "\n"})
		if want == "" {
			var b bytes.Buffer
			if err := Show(&b, &c, false); err != nil || len(problems) > 0 || !strings.Contains(b.String(), "*.b.example") ||
				!strings.Contains(b.String(), "client: xclient") {
				t.Error(err, problems, b.String())
			}
		} else if !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v", border, problems)
		}
	}
}
