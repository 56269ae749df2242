package imap

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What the scripted server knows of folders beside opening them.

// folder does a command about folders.
func (c *client) folder(tag, verb, args string) bool {
	name := args[strings.LastIndexByte(args, ' ')+1:]
	if _, q, ok := strings.Cut(args, `"`); ok {
		name = strings.TrimSuffix(q, `"`)
	}
	switch verb {
	case "CREATE":
		if c.folders[name] != nil {
			c.say("%s NO [ALREADYEXISTS] it is there\r\n", tag)
			return true
		}
		c.folders[name] = &box{validity: uint32(100 + len(c.folders)), next: 1}
	case "SUBSCRIBE":
	case "LIST":
		return c.list(tag, args)
	case "UID MOVE", "UID COPY":
		to := c.folders[name]
		if to == nil {
			c.say("%s NO [TRYCREATE] no such folder\r\n", tag)
			return true
		}
		code := c.copy(args, to)
		if verb == "UID MOVE" {
			c.say("* OK %s moved\r\n", code)
			c.remove(args)
		} else {
			c.say("%s OK %s copied\r\n", tag, code)
			return true
		}
	}
	c.say("%s OK done\r\n", tag)
	return true
}

// copy copies letters and returns COPYUID.
func (c *client) copy(args string, to *box) string {
	first, from := to.next, ""
	c.each(args, func(_ int, l *letter) {
		to.letters = append(to.letters, &letter{uid: to.next, octets: l.octets, flags: append([]string(nil), l.flags...)})
		to.next++
		from += "," + number(l.uid)
	})
	if from == "" {
		return ""
	}
	return fmt.Sprintf("[COPYUID %d %s %d:%d]", to.validity, from[1:], first, to.next-1)
}

// remove removes letters by their UIDs, as MOVE does.
func (c *client) remove(args string) {
	set, _, _ := strings.Cut(args, " ")
	kept, n := []*letter{}, 1
	for _, l := range c.box.letters {
		if within(set, l.uid) {
			c.say("* %d EXPUNGE\r\n", n)
			continue
		}
		kept = append(kept, l)
		n++
	}
	c.box.letters = kept
}

// matches knows the searches by which a copy is looked for.
func (c *client) matches(search string, l *letter) bool {
	if !strings.Contains(search, "LARGER") {
		return false
	}
	if i := strings.Index(search, `"<`); i >= 0 {
		id, _, _ := strings.Cut(search[i+1:], `"`)
		if !bytes.Contains(l.octets, []byte("Message-ID: "+id+"\r\n")) {
			return false
		}
	}
	n := len(l.octets)
	return strings.Contains(search, fmt.Sprintf("LARGER %d SMALLER %d", n-1, n+1))
}

// list answers LIST as the test says, or with the folders that there are.
func (c *client) list(tag, args string) bool {
	extended := strings.Contains(args, "RETURN")
	if extended && !strings.Contains(c.caps, "LIST-EXTENDED") {
		c.say("%s BAD what?\r\n", tag)
		return true
	}
	lines := c.lines
	if lines == nil {
		for _, name := range slices.Sorted(maps.Keys(c.folders)) {
			lines = append(lines, fmt.Sprintf("(\\HasNoChildren) \"/\" %q", name))
		}
	}
	for _, l := range lines {
		if !strings.HasPrefix(args, "(SPECIAL-USE)") || slices.ContainsFunc(append(spared, `\Archive`),
			func(use string) bool { return strings.Contains(l, use) }) {
			c.say("* LIST %s\r\n", l)
		}
	}
	c.say("%s OK listed\r\n", tag)
	return true
}
