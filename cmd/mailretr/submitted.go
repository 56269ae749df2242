package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"

	"mailretr/store/mail"
)

// How sendmail makes a message of what it reads.

// read reads the message, with CRLF at the end of each line and no other CR or LF.
func (s *submission) read() ([]byte, error) {
	var b bytes.Buffer
	r := bufio.NewReader(s.in)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, &exit{exIOErr, fmt.Errorf("reading the message: %w", err)}
		}
		if err != nil && len(line) == 0 {
			return b.Bytes(), nil
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if s.dots && string(line) == "." {
			return b.Bytes(), nil
		}
		b.Write(bytes.ReplaceAll(line, []byte("\r"), []byte(" ")))
		if b.WriteString("\r\n"); b.Len() > maxSubmission {
			return nil, &exit{exDataErr, fmt.Errorf("the message is larger than %d octets", maxSubmission)}
		}
	}
}

// A headerField is one of a header section, folded lines and CRLF included.
type headerField struct {
	name string // in lower case
	text []byte
}

// fieldsOf takes a header section apart. What is no field ends it: the rest is the body, and gets an empty
// line.
func fieldsOf(text []byte) (all []headerField, body []byte) {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\r\n"))
		folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		name, _, ok := bytes.Cut(line, []byte(":"))
		switch {
		case len(line) == 0:
			return all, rest
		case folded && len(all) > 0:
			f := &all[len(all)-1]
			f.text = append(append(f.text, line...), "\r\n"...)
		case len(all) == 0 && bytes.HasPrefix(line, []byte("From ")): // of an mbox
		case !ok || folded || bytes.ContainsAny(name, " \t") || len(name) == 0:
			return all, text
		default:
			f := headerField{name: strings.ToLower(string(name))}
			f.text = append(append(f.text, line...), "\r\n"...)
			all = append(all, f)
		}
		text = rest
	}
	return all, nil
}

// value is what stands behind the colon, unfolded.
func (f *headerField) value() string {
	_, v, _ := strings.Cut(string(f.text), ":")
	return strings.TrimSpace(strings.NewReplacer("\r\n ", " ", "\r\n\t", " ", "\r\n", "").Replace(v))
}

// message makes the envelope, and adds what a message has to have (RFC 5322, 3.6).
func (s *submission) message(text []byte, host string) (*mail.Message, error) {
	fields, body := fieldsOf(text)
	to := s.recipients
	if s.fromHeader {
		more, err := recipientsOf(fields)
		if err != nil {
			return nil, err
		}
		to = append(to, more...)
	}
	m := &mail.Message{}
	m.Envelope.Reverse = mail.Path(strings.Trim(s.from, "<>"))
	m.Envelope.Ret, m.Envelope.EnvID = strings.ToUpper(s.ret), s.envid
	if !s.given {
		m.Envelope.Reverse = mail.Path(self(host))
	} else if p := m.Envelope.Reverse; p != "" && p.Domain() == "" {
		m.Envelope.Reverse = p + mail.Path("@"+host)
	}
	if err := m.Envelope.Reverse.Check(); err != nil {
		return nil, fmt.Errorf("the sender %s: %w", m.Envelope.Reverse, err)
	}
	for _, a := range to {
		p := mail.Path(strings.Trim(a, "<>"))
		if p.Domain() == "" {
			p += mail.Path("@" + host)
		}
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("the recipient %s: %w", p, err)
		}
		r := mail.Recipient{Forward: p, Notify: strings.ToUpper(s.notify)}
		m.Envelope.Recipients = append(m.Envelope.Recipients, r)
	}
	if len(m.Envelope.Recipients) == 0 {
		return nil, errors.New("no recipient was named; -t takes them from the header")
	}
	m.Content = mail.Text(s.compose(fields, body, m.Envelope.Reverse, host))
	return m, nil
}

// compose puts the message together: without Bcc, and with Date, Message-ID and From where they are missing.
func (s *submission) compose(fields []headerField, body []byte, from mail.Path, host string) []byte {
	have := map[string]bool{}
	for _, f := range fields {
		have[f.name] = true
	}
	var b bytes.Buffer
	if now := s.now(); !have["date"] {
		fmt.Fprintf(&b, "Date: %s\r\n", now.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	}
	if !have["message-id"] {
		fmt.Fprintf(&b, "Message-ID: <%s@%s>\r\n", mail.NewID(s.now(), nil), host)
	}
	if !have["from"] {
		if from == "" {
			from = mail.Path("mailer-daemon@" + host)
		}
		a := netmail.Address{Name: s.name, Address: string(from)}
		fmt.Fprintf(&b, "From: %s\r\n", a.String())
	}
	for _, f := range fields {
		if !s.fromHeader || f.name != "bcc" && f.name != "resent-bcc" {
			b.Write(f.text)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// recipientsOf are those of To, Cc and Bcc; of a message that is sent again, those of the fields that say so
// (RFC 5322, 3.6.6).
func recipientsOf(fields []headerField) (to []string, err error) {
	again := ""
	for _, f := range fields {
		if f.name == "resent-to" || f.name == "resent-cc" || f.name == "resent-bcc" {
			again = "resent-"
		}
	}
	for _, f := range fields {
		if f.name != again+"to" && f.name != again+"cc" && f.name != again+"bcc" {
			continue
		}
		text := f.value()
		if text == "" {
			continue
		}
		list, err := netmail.ParseAddressList(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", f.name, mail.Printable(text, 200), err)
		}
		for _, a := range list {
			to = append(to, a.Address)
		}
	}
	return to, nil
}
