package yaml

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mailretr/conf"
)

// What the line may cost is read as it is shown.
func TestCap(t *testing.T) {
	text := head + `line: {month: 20G, reset: 31, day: 1G, reserve: 500M, large: 2M, off_peak: [22:00-06:00, "12:00-13:30"],
  timezone: Africa/Johannesburg}
maildrops:
  - {name: a, url: "imaps://a@mail.example.org", password: {env: A}, to: a@example.org,
     budget: {month: 2G, day: 200M}, oversize: {above: 20M, then: off-peak}}
  - {name: b, url: "imaps://b@mail.example.org", password: {env: A}, to: a@example.org, oversize: {above: 5M}}
`
	c, problems, err := load(t, map[string]string{"mailretr.yaml": text})
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v: %s", err, said("", problems))
	}
	want := conf.Cap{
		Month: 20 << 30, Reset: 31, Day: 1 << 30, Reserve: conf.Share{Octets: 500 << 20}, Large: 2 << 20,
		OffPeak: []conf.Window{{From: 22 * 60, To: 6 * 60}, {From: 12 * 60, To: 13*60 + 30}}, Timezone: "Africa/Johannesburg",
	}
	if d := cmp.Diff(want, c.Line.Cap); d != "" {
		t.Error(d)
	}
	a, b := c.Maildrops[0], c.Maildrops[1]
	if a.Budget.Month != 2<<30 || a.Budget.Day != 200<<20 || a.Oversize.Then != conf.ThenOffPeak || a.Oversize.Above != 20<<20 {
		t.Errorf("%+v %+v", a.Budget, a.Oversize)
	}
	if b.Oversize.Then != conf.ThenLeave || b.Budget != nil {
		t.Errorf("%+v", b.Oversize)
	}
	var shown bytes.Buffer
	if err := Show(&shown, &c, false); err != nil {
		t.Fatal(err)
	}
	again, problems, err := load(t, map[string]string{"mailretr.yaml": shown.String()})
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, said("", problems), shown.String())
	}
	if d := cmp.Diff(c.Line.Cap, again.Line.Cap); d != "" {
		t.Error(d)
	}
	if a.Fingerprint() == func() [32]byte { a.Oversize.Above++; return a.Fingerprint() }() {
		t.Error("what was left for its size is not looked at again when the size changes")
	}
}

// Each mistake has a place and a remedy.
func TestCapMistakes(t *testing.T) {
	for _, c := range []struct{ name, line, drop, want string }{
		{"reset", "{reset: 32}", "", "mailretr.yaml:4:15  error    reset: 32 is out of range; write 1 to 31"},
		{"no reset", "{reset: 0}", "", "reset: 0 is out of range"},
		{"tiny", "{month: 20}", "", "4:15  error    month: 20 is too little to collect anything; write e.g. 500M or 20G"},
		{"share", "{reserve: 110%}", "", `4:17  error    reserve: "110%" is no share; write 0% to 100%`},
		{"word", "{reserve: some}", "", `reserve: "some" is neither a share nor a size`},
		{"all of it", "{month: 10M, reserve: 10M}", "", "4:29  error    reserve: it leaves nothing for large mail: the limit is 10M"},
		{"window", "{off_peak: 25:00-06:00}", "", `4:18  error    off_peak: "25:00-06:00" is no part of a day`},
		{"a time", `{off_peak: "06:00"}`, "", "is no part of a day"},
		{"no end", `{off_peak: [06:00-06:00]}`, "", "has no end"},
		{"zone", "{timezone: Africa/Nowhere}", "", `4:18  error    timezone: "Africa/Nowhere" is not known on this machine`},
		{"a key", "{mounth: 20G}", "", `4:8  error    unknown key "mounth"; did you mean "month"?`},
		{"no section", "20G", "", "settings are wanted here"},
		{"drop, tiny", "{}", "budget: {day: 3}", "day: 3 is too little"},
		{"drop, more than the line", "{day: 1G}", "budget: {day: 2G}", "warning  day: the whole line has 1G only"},
		{"then", "{}", "oversize: {above: 20M, then: drop}", `then: "drop" is not known; write one of: leave, notice, bounce, off-peak`},
		{"above what", "{}", "oversize: {then: bounce}", "oversize: above is missing; write e.g. oversize: {above: 20M, then: bounce}"},
		{"no hours", "{}", "oversize: {above: 20M, then: off-peak}", "then: there are no off-peak hours; write line: {off_peak"},
		{"never", "{}", "oversize: {above: 600M, then: notice}",
			"warning  above: what has more than 512M (max_message) stays in the maildrop in any case; write less than that"},
		{"tiny messages", "{}", "oversize: {above: 20}", "above: 20 is out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			entry := drop
			if c.drop != "" {
				entry = strings.Replace(drop, "to: a@example.org", "to: a@example.org, "+c.drop, 1)
			}
			_, problems, _ := load(t, map[string]string{"mailretr.yaml": head + "line: " + c.line + "\n" + entry})
			if got := said("", problems); !strings.Contains(got, c.want) {
				t.Errorf("said:\n%swant: %s", got, c.want)
			}
		})
	}
}
