package yaml

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mailretr/conf"
)

const hops = `hostname: mail.example.org
bounce: {from: b@example.org, postmaster: p@example.org}
deliver:
  main: {smtp: "localhost:25"}
  archive: {lmtp: "unix:/run/archive"}
maildrops:
  - {name: jaco, url: "imaps://a@mail.example.org", password: {env: A}, to: jaco@example.org}
`

func TestRoutes(t *testing.T) {
	text := hops + `routes:
  - {sender: boss@example.org, also: archive}
  - recipient: ["*@lists.example.org", postmaster]
    folder: Lists/*
    to: [archive, main]
  - {maildrop: "j*", to: main}
`
	c, problems, err := load(t, map[string]string{"mailretr.yaml": text})
	if err != nil || len(problems) != 0 || len(c.Routes) != 3 {
		t.Fatal(err, problems, c.Routes)
	}
	if r := c.Routes[1]; r.At.Self.Line != 10 || !slices.Equal(r.To, []string{"archive", "main"}) ||
		!slices.Equal(r.Folder, []string{"Lists/*"}) {
		t.Errorf("%+v", r)
	}
	// What is shown can be read again, and is the same.
	var one, two bytes.Buffer
	if err := Show(&one, &c, false); err != nil {
		t.Fatal(err)
	}
	again, problems, err := load(t, map[string]string{"mailretr.yaml": one.String()})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems, one.String())
	}
	if err := Show(&two, &again, false); err != nil || one.String() != two.String() || len(again.Routes) != 3 {
		t.Errorf("%v\n%s\n%s", err, &one, &two)
	}
}

func TestMistakesInRoutes(t *testing.T) {
	for routes, want := range map[string]string{
		`{recipient: "*@x.example", to: arkive}`:                "8:41  error    to: there is no destination \"arkive\"; write one of: main, archive",
		`{recipient: "*@x.example", also: x}`:                   "8:43  error    also: there is no destination",
		`{recipient: "*@x.example"}`:                            "8:10  error    routes: this one does not say where to",
		`{to: main, also: archive}`:                             "8:27  error    routes: to and also exclude each other",
		`{recipient: "x y@z.example", to: main}`:                "8:22  error    recipient: \"x y@z.example\" is no address",
		`{recipient: "<>", to: main}`:                           "8:22  error    recipient: \"<>\" is no address",
		`{recipient: "a*@x.example", to: main}`:                 "", // an address may begin so
		`{sender: ["@x.example"], to: main}`:                    "8:11  error    sender: \"@x.example\" is no address",
		`{maildrop: anna, to: main}`:                            "8:21  warning  maildrop: \"anna\" means none of them",
		`{folder: "\\Junk", to: main}`:                          "8:19  error    folder: \"\\\\Junk\" is the use of a folder",
		`{to: [main, main]}`:                                    "8:11  error    to: \"main\" is there twice",
		`{to: main}, {to: archive}`:                             "8:22  warning  routes: never asked",
		`{to: main, recipients: x}`:                             "8:21  error    unknown key \"recipients\"; did you mean \"recipient\"?",
		`{recipient: "a\nb@x.example", to: main}`:               "8:22  error    recipient: has a control character",
		`{recipient: ["*@x.example", "*@*.x.example"], to: []}`: "8:10  error    routes: this one does not say where to",
	} {
		_, problems, _ := load(t, map[string]string{"mailretr.yaml": hops + "routes: [" + routes + "]\n"})
		var got string
		for _, p := range problems {
			if _, place, _ := strings.Cut(p.String(), "mailretr.yaml:"); p.Severity != conf.Warning || want != "" {
				got += place + "\n"
			}
		}
		if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s:\n%s\nwant %s", routes, got, want)
		}
	}
}
