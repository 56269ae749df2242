package yaml

import (
	"bufio"
	"io"
	"strings"
	"time"
)

// Manual writes mailretr.yaml(5), in the macros of man(7): every key, from the same tables. version is what stands
// in its foot.
func Manual(w io.Writer, version string, date time.Time) error {
	m := &manual{w: bufio.NewWriter(w)}
	m.w.WriteString(`.TH MAILRETR.YAML 5 "` + date.Format("Jan 2006") + `" "` + roff(version) + `" "mailretr"` + "\n.nh\n.ad l\n")
	m.w.WriteString(manualHead)
	explain(&printer{w: m}, top)
	m.level(0)
	m.w.WriteString(manualFoot)
	return m.w.Flush()
}

const manualHead = `.SH NAME
mailretr.yaml \- configuration of mailretr
.SH SYNOPSIS
.nf
/etc/mailretr/mailretr.yaml
/etc/mailretr/conf.d/*.yaml
~/.config/mailretr/mailretr.yaml
.fi
.SH DESCRIPTION
What mailretr(1) collects, from where, and to whom it delivers. The file is YAML. A key that is not known is a mistake,
and so is one that is written twice; a mistake in one maildrop leaves that maildrop out and stops no other.
.B mailretr check
names every mistake with file, line, column and what to do, without network.
.B mailretr config show \-\-origin
says which value comes from where.
.PP
Files in conf.d beside the file are read after it, in the order of their names. Their lists of maildrops add up; a setting
that stands in two files is a mistake that names both places.
.PP
Durations are written as 30s, 5m, 2h or 5d, sizes as 32K, 10M or 1G.
.SH EXAMPLE
.nf
hostname: mail.example.org
deliver: {smtp: "localhost:25"}
bounce: {from: "Mail Delivery System <mailer-daemon@example.org>", postmaster: postmaster@example.org}
maildrops:
  \- name: jaco
    url: imaps://jaco@mail.isp.example
    password: {file: /etc/mailretr/jaco.pass}
    to: jaco@example.org
    after: delete
.fi
.SH KEYS
Each key stands with its default or an example. Those of a section stand below it, indented.
`

const manualFoot = `.SH FILES
.TP
.I /etc/mailretr/mailretr.yaml
of the whole machine; a file named by \-\-config or by MAILRETR_CONFIG takes its place.
.TP
.I ~/.config/mailretr/mailretr.yaml
of an ordinary user, below XDG_CONFIG_HOME where that is set.
.TP
.I /var/lib/mailretr
the queue and all that is remembered; of an ordinary user ~/.local/state/mailretr.
.SH SEE ALSO
mailretr(1), mailretr\-check(1), mailretr\-config\-show(1), mailretr\-config\-describe(1)
`

// A manual is the form of [Manual].
type manual struct {
	w      *bufio.Writer
	levels []int  // columns of the sections that are open
	doc    string // of the key that follows
}

func (m *manual) gap() {}

func (m *manual) comment(_, s string) { m.doc = s }

func (m *manual) key(indent, begin, key, value string, _ bool) {
	m.level(len(indent) + len(begin))
	entry := `\fB` + roff(begin+key) + `:\fR`
	if value != "" {
		entry += " " + roff(value)
	}
	m.w.WriteString(".TP\n" + entry + "\n")
	if m.doc != "" {
		m.w.WriteString(roff(m.doc) + "\n")
	}
	m.doc = ""
}

// level opens or closes sections until the column is that of the keys that follow.
func (m *manual) level(column int) {
	for len(m.levels) > 0 && column < m.levels[len(m.levels)-1] {
		m.levels = m.levels[:len(m.levels)-1]
		m.w.WriteString(".RE\n")
	}
	now := 0
	if len(m.levels) > 0 {
		now = m.levels[len(m.levels)-1]
	}
	if column > now {
		m.levels = append(m.levels, column)
		m.w.WriteString(".RS\n")
	}
}

// roff is text that man(7) takes as it stands: no macro at the beginning, hyphens that can be copied, and words that are
// longer than a line may be broken.
func roff(s string) string {
	words := strings.Split(s, " ")
	for i, word := range words {
		words[i] = plain.Replace(word)
		if len(word) > 40 {
			words[i] = breaks.Replace(words[i])
		}
	}
	s = strings.Join(words, " ")
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

var (
	plain  = strings.NewReplacer(`\`, `\e`, `-`, `\-`)
	breaks = strings.NewReplacer(":", `:\:`, "/", `/\:`, ",", `,\:`)
)
