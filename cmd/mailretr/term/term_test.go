package term

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWords(t *testing.T) {
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	for _, x := range []struct{ got, want string }{
		{Size(-1), "?"}, {Size(712), "712"}, {Size(4 << 20), "4.0M"}, {Size(20 << 20), "20M"},
		{Size(1023 << 10), "1.0M"}, {Size(999 << 10), "999K"}, {Size(10189), "10K"}, {Size(1 << 62), "4096P"},
		{Span(8 * time.Second), "8s"}, {Span(125 * time.Minute), "2h"}, {Span(47 * time.Hour), "47h"},
		{Span(50 * time.Hour), "2d"}, {Span(-time.Hour), "0s"},
		{Ago(now.Add(-12*time.Minute), now), "12m ago"}, {Ago(time.Time{}, now), "never"},
		{In(now.Add(12*time.Minute), now), "in 12m"}, {In(now.Add(59900*time.Millisecond), now), "in 1m"},
		{In(now.Add(-time.Hour), now), "now"}, {In(time.Time{}, now), "-"},
		{Clock(now.Add(-time.Hour), now), "14:00"}, {Clock(now.Add(-24*time.Hour), now), "Tue 15:00"},
		{Clock(now.AddDate(0, -1, 0), now), "2026-02-04 15:00"},
		{Count(1, "message"), "1 message"}, {Count(0, "message"), "0 messages"},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
}

func rows(o *Out) string {
	tab := o.Table("NAME", "SIZE")
	tab.Row(Red, "jaco", "4.0M")
	tab.Below("said: %s", "451 no\x1b[2J")
	tab.Row("", "catchall-of-kroon", "12")
	if err := tab.Flush(); err != nil {
		return err.Error()
	}
	return o.Writer.(*bytes.Buffer).String()
}

func TestR17_TableForPeopleAndPipes(t *testing.T) {
	got := rows(&Out{Writer: &bytes.Buffer{}})
	if want := "jaco\t4.0M\n  said: 451 no\\x1b[2J\ncatchall-of-kroon\t12\n"; got != want {
		t.Errorf("pipe:\n%q\n%q", got, want)
	}
	got = rows(&Out{Writer: &bytes.Buffer{}, TTY: true, Colour: true})
	want := "\x1b[1mNAME               SIZE\x1b[0m\n\x1b[31mjaco               4.0M\x1b[0m\n" +
		"  said: 451 no\\x1b[2J\ncatchall-of-kroon  12\n"
	if got != want {
		t.Errorf("terminal:\n%q\n%q", got, want)
	}
}

// A long list must not be kept until its end: rows come out before Flush.
func TestTableIsNotKept(t *testing.T) {
	var b bytes.Buffer
	tab := (&Out{Writer: &b, TTY: true}).Table("N")
	for range 2*screenful + 1 {
		tab.Row("", "x")
	}
	if got := strings.Count(b.String(), "\n"); got != 2*screenful+1 { // one line is the head
		t.Errorf("%d lines before Flush", got)
	}
	tab.Below("late")
	if err := tab.Flush(); err != nil || strings.Count(b.String(), "N") != 1 {
		t.Errorf("%v, %d heads", err, strings.Count(b.String(), "N"))
	}
}

func TestColourIsAsked(t *testing.T) {
	no := func(string) string { return "" }
	set := func(string) string { return "1" }
	for _, x := range []struct {
		when When
		env  func(string) string
		want bool
	}{{"auto", no, false}, {"always", set, true}, {"never", no, false}} {
		if got := New(&bytes.Buffer{}, x.when, x.env).Colour; got != x.want {
			t.Errorf("%s: %v", x.when, got)
		}
	}
	if _, err := ParseWhen("sometimes"); err == nil {
		t.Error("any word is taken")
	}
}

func TestProgressInAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := (&Out{Writer: &b}).Progress(false)
		p.Set("jaco", Step{Doing: "fetching\x1b[2J", Messages: 3, Of: 57, Octets: 4 << 20})
		for _, n := range "abcdef" {
			p.Set(string(n), Step{Doing: "logging in"})
		}
		time.Sleep(31 * time.Second)
		p.Done("jaco")
		time.Sleep(30 * time.Second)
		p.Close()
		lines := strings.Split(b.String(), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], `jaco: fetching\x1b[2J, 3 of 57 messages, 4.0M; a: logging in`) ||
			!strings.HasSuffix(lines[0], "and 2 more") || strings.Contains(lines[1], "jaco") {
			t.Errorf("%q", lines)
		}
	})
}

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := (&Out{Writer: &b, TTY: true}).Progress(false)
		for i := range int64(40) {
			p.Set("jaco", Step{Doing: "fetching", Messages: i, Of: 40, Octets: i << 20, Total: 40 << 20})
			time.Sleep(100 * time.Millisecond)
			if i == 8 && b.Len() > 0 {
				t.Errorf("a bar within the first second: %q", b.String())
			}
		}
		p.Done("jaco")
		p.Close()
		if s := b.String(); !strings.Contains(s, "jaco") || !strings.Contains(s, "of 40 messages") {
			t.Errorf("no bar: %q", s)
		}
	})
}

func TestStepCountsWhatItSays(t *testing.T) {
	s := Step{Doing: "logging in", Messages: 1, Of: 2, What: "connection"}
	if got := s.String(); got != "logging in, 1 of 2 connections" {
		t.Error(got)
	}
}

func TestProgressWhenQuiet(t *testing.T) {
	var b bytes.Buffer
	p := (&Out{Writer: &b}).Progress(true)
	p.Set("x", Step{})
	p.Close()
	if b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
}

// Numbers stand under each other, and the order of their digits is seen.
func TestTableAlignsNumbers(t *testing.T) {
	var b bytes.Buffer
	o := &Out{Writer: &b, TTY: true}
	table := o.Table("ID", "SIZE", "TO").Right("SIZE")
	table.Row("", "a", "712", "x")
	table.Row("", "bbb", "4.0M", "y")
	table.Row("", "c", "1")
	if err := table.Flush(); err != nil || b.String() != "ID   SIZE  TO\na     712  x\nbbb  4.0M  y\nc       1\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
}
