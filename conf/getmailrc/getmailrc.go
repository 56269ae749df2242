// Package getmailrc reads a configuration of getmail and makes one of ours.
//
// It knows the retrievers, destinations and options of getmail 6, each file of which is one account. It promises that
// nothing is lost in silence: what has no equal here is noted with its place and a reason. It leaves to
// [conf.Config.Validate] whether the result can be used.
//
// What is read is hostile: the file and its lists are bounded, and nothing of it is run.
//
// Read [Import] first.
package getmailrc

import (
	"path/filepath"
	"strings"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// maxFile bounds what is read, in octets.
const maxFile = 1 << 20

// A setting is a key with its value.
type setting struct {
	pos   conf.Pos
	key   string
	value string
}

// A section is what stands below one name in brackets.
type section struct {
	pos  conf.Pos
	keys []setting
}

// get returns a setting; nil: it is not written.
func (s *section) get(key string) *setting {
	for i := len(s.keys) - 1; i >= 0; i-- {
		if s.keys[i].key == key {
			return &s.keys[i]
		}
	}
	return nil
}

func (s *section) text(key string) string {
	if x := s.get(key); x != nil && x.value != "None" {
		return x.value
	}
	return ""
}

func (s *section) on(key string, preset bool) bool {
	switch strings.ToLower(s.text(key)) {
	case "true", "yes", "on", "1":
		return true
	case "":
		return preset
	}
	return false
}

// Import makes a configuration of a file of getmail. The notes are its mistakes, and what has no equal or is not quite
// the same; an Error among them means that something is not in the configuration. Passwords are plain in it.
func Import(file string, text []byte, o draft.Options) (conf.Config, []conf.Problem) {
	c := &converter{Draft: draft.New(o), domain: o.Domain}
	if len(text) > maxFile {
		c.Fail(conf.Pos{File: file}, "", "the file is larger than %d octets", maxFile)
		return c.Done()
	}
	c.sections = c.read(file, string(text))
	domain := o.Domain
	if domain == "" {
		domain = o.Hostname
	}
	b := &c.Config().Bounce
	b.FromName, b.From, b.Postmaster = "Mail Delivery System", "mailer-daemon@"+domain, "postmaster@"+domain
	if c.domain == "" {
		c.domain = "localhost"
	}
	if c.sections["retriever"] == nil {
		c.Fail(conf.Pos{File: file}, "", "there is no [retriever] in it")
		return c.Done()
	}
	name := strings.TrimPrefix(strings.TrimPrefix(filepath.Base(file), "getmailrc"), "-")
	c.maildrop(name)
	return c.Done()
}

type converter struct {
	*draft.Draft
	domain   string
	sections map[string]*section
}

// of returns a section, empty where it is not written.
func (c *converter) of(name string) *section {
	if s := c.sections[name]; s != nil {
		return s
	}
	return &section{}
}

// read reads the sections. A line that begins with a blank goes on with the value before it.
func (c *converter) read(file, text string) map[string]*section {
	all := map[string]*section{}
	var now *section
	n := 0
	for line := range strings.Lines(text) {
		n++
		pos := conf.Pos{File: file, Line: n, Column: 1}
		s := strings.TrimSpace(line)
		switch {
		case s == "" || s[0] == '#' || s[0] == ';':
		case (line[0] == ' ' || line[0] == '\t') && now != nil && len(now.keys) > 0:
			now.keys[len(now.keys)-1].value += " " + s
			if len(now.keys[len(now.keys)-1].value) > 64<<10 {
				c.Fail(pos, "", "a value is longer than 64K")
				return all
			}
		case s[0] == '[' && s[len(s)-1] == ']':
			name := s[1 : len(s)-1]
			if all[name] == nil {
				all[name] = &section{pos: pos}
			}
			now = all[name]
		default:
			i := strings.IndexAny(s, "=:")
			if i <= 0 || now == nil {
				c.Fail(pos, "", "this line is no setting")
				continue
			}
			now.keys = append(now.keys, setting{pos, strings.ToLower(strings.TrimSpace(s[:i])), strings.TrimSpace(s[i+1:])})
		}
	}
	return all
}

// tuple reads a list as Python writes it: ("a", 'b',).
func tuple(s string) (all []string) {
	for {
		i := strings.IndexAny(s, `"'`)
		if i < 0 {
			return all
		}
		end := strings.IndexByte(s[i+1:], s[i])
		if end < 0 {
			return all
		}
		all = append(all, s[i+1:i+1+end])
		s = s[i+2+end:]
	}
}
