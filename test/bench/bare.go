package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// The bare client is the yardstick of what a line allows: it knows what the server can, pipelines everything, keeps
// nothing, and does not look at what it gets.

// bareTimes are when its session began, when the last octet of the last message had come, and when it ended.
type bareTimes struct{ began, octet, end time.Time }

// bare collects and deletes all messages of a maildrop.
func (g *ground) bare() (x bareTimes, err error) {
	x.began = time.Now()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", g.port))
	if err != nil {
		return x, err
	}
	defer c.Close()
	c.SetDeadline(x.began.Add(5 * time.Minute))
	if g.place.row.imap {
		x.octet, err = bareIMAP(c, g.user)
	} else {
		x.octet, err = barePOP3(c, g.user)
	}
	x.end = time.Now()
	return x, err
}

func barePOP3(c net.Conn, user string) (whole time.Time, err error) {
	r := textproto.NewReader(bufio.NewReaderSize(c, 64<<10))
	ok := func(replies int) {
		for range replies {
			line, e := r.ReadLineBytes()
			if e == nil && !bytes.HasPrefix(line, []byte("+OK")) {
				e = fmt.Errorf("the server says %q", line)
			}
			if err == nil {
				err = e
			}
		}
	}
	ok(1)
	fmt.Fprintf(c, "USER %s\r\nPASS secret\r\n", user)
	ok(2)
	fmt.Fprint(c, "LIST\r\n")
	ok(1)
	if err != nil {
		return whole, err
	}
	list, err := r.ReadDotLines()
	if err != nil {
		return whole, err
	}
	go io.WriteString(c, each("RETR %d\r\n", len(list)))
	for range list {
		if ok(1); err != nil {
			return whole, err
		}
		if err = body(r.R); err != nil {
			return whole, err
		}
	}
	whole = time.Now()
	go io.WriteString(c, each("DELE %d\r\n", len(list))+"QUIT\r\n")
	ok(len(list) + 1)
	return whole, err
}

func each(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1)
	}
	return b.String()
}

// body reads over the lines of a message.
func body(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if string(line) == ".\r\n" {
			return nil
		}
	}
}

func bareIMAP(c net.Conn, user string) (whole time.Time, err error) {
	r := bufio.NewReaderSize(c, 64<<10)
	until := func(tag string) {
		for err == nil {
			var line []byte
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
			if n, ok := literal(line); ok {
				_, err = io.CopyN(io.Discard, r, n)
			}
			if bytes.HasPrefix(line, []byte(tag+" ")) {
				if !bytes.HasPrefix(line, []byte(tag+" OK")) {
					err = fmt.Errorf("the server says %q", line)
				}
				return
			}
		}
	}
	until("*") // the greeting
	fmt.Fprintf(c, "a LOGIN %s secret\r\n", user)
	until("a")
	fmt.Fprint(c, "b SELECT INBOX\r\n")
	until("b")
	fmt.Fprint(c, "c UID FETCH 1:* (UID BODY.PEEK[])\r\n")
	until("c")
	whole = time.Now()
	fmt.Fprint(c, "d STORE 1:* +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\nf LOGOUT\r\n")
	until("f")
	return whole, err
}

// literal returns the length of the literal that a line ends with.
func literal(line []byte) (n int64, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(line[open+1:len(line)-1]), 10, 64)
	return n, err == nil
}
