package yaml

import (
	"bytes"
	"strings"
	"testing"

	"mailretr/conf"
)

func TestRewriteSection(t *testing.T) {
	text := hops + `rewrite:
  map:
    info@example.org: [a@example.org, b@example.org]
    file: table
  strip_detail: ["Example.org", "*.Example.org"]
  add_folder: "@example.org"
  delimiter: "-"
`
	files := map[string]string{"mailretr.yaml": text, "table": "# comment\n*@old.example: *@example.org\n\tc@example.org\n"}
	c, problems, err := load(t, files)
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	r := c.Rewrite
	if len(r.Map) != 2 || r.Map[1].At.Line != 2 || len(r.Map[1].To) != 2 || r.Mark != "-" ||
		strings.Join(r.Strip, " ") != "example.org *.example.org" || strings.Join(r.Folder, " ") != "example.org" {
		t.Errorf("%+v", r)
	}
	if list := Files(conf.Paths{}, &c); !strings.HasSuffix(strings.Join(list, " "), "/table") {
		t.Errorf("watched: %q", list)
	}
	var shown bytes.Buffer
	if err := Show(&shown, &c, false); err != nil || strings.Contains(shown.String(), "old.example") {
		t.Errorf("%v\n%s", err, &shown) // what is in the file is not shown twice
	}
	if again, problems, err := load(t, map[string]string{"mailretr.yaml": shown.String()}); err != nil || len(problems) != 0 ||
		len(again.Rewrite.Map) != 2 {
		t.Error(err, problems, shown.String())
	}
}

func TestMistakesInRewrite(t *testing.T) {
	for rewrite, want := range map[string]string{
		`{map: {info: x@y.example}}`:                             `8:17  error    map: "info" is no address`,
		`{map: {"*@x.example": "*@y.example"}}`:                  "",
		`{map: {"a@x.example": "*@y.example"}}`:                  `8:17  error    map: a@x.example: only *@domain can stand for`,
		`{map: {"a@x.example": []}}`:                             `8:17  error    map: nobody gets the mail of a@x.example`,
		`{map: {"a@x.example": b@y, "A@x.example": c@y}}`:        `8:37  error    map: A@x.example is already at`,
		`{map: {"a@x.example": "b@y.example\r\nRCPT TO:<c@y>"}}`: `8:17  error    map: a@x.example: "b@y.example`,
		`{strip_detail: "a b"}`:                                  `8:25  error    strip_detail: "a b" is no domain`,
		`{add_folder: [x.example, X.example]}`:                   `8:11  error    add_folder: x.example is there twice`,
		`{delimiter: "++"}`:                                      `8:22  error    delimiter: "++" is none`,
		`{map: {file: nowhere}}`:                                 `8:23  error    map: open `,
	} {
		_, problems, _ := load(t, map[string]string{"mailretr.yaml": hops + "rewrite: " + rewrite + "\n"})
		var got string
		for _, p := range problems {
			_, place, _ := strings.Cut(p.String(), "mailretr.yaml:")
			got += place + "\n"
		}
		if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s:\n%s\nwant %s", rewrite, got, want)
		}
	}
}
