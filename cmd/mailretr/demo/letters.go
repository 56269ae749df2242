package demo

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Whom the demo's mail is for.
const (
	home = "home.example"          // our domain
	Host = "mail." + home          // our MTA, and us
	From = "mailer-daemon@" + home // of our bounces

	jaco  = "jaco@" + home
	anna  = "anna@" + home
	moved = "moved-away@" + home // the MTA does not know this one

	friend = "friend@friend.example" // writes to the one who moved away

	field = "X-Envelope-To" // where the provider of the multi-drop maildrop says whom a message is for
)

// small is how many small messages a maildrop holds.
const small = 12

// Sizes of the large messages, in octets.
const (
	zipSize   = 4 << 20
	movedSize = 5 << 20
)

// A letter is one message in a maildrop.
type letter struct {
	id       string // Message-ID without brackets
	from, to string
	octets   []byte // as the maildrop has it
	body     [sha256.Size]byte
}

// seal notes what has to arrive: all but the Return-Path line in front, which does not belong into SMTP
// (RFC 5321, 4.4).
func (l *letter) seal() *letter {
	_, rest, _ := bytes.Cut(l.octets, []byte("\r\n"))
	l.body = sha256.Sum256(rest)
	return l
}

// head writes the header section; more are lines of its end.
func (l *letter) head(subject string, more ...string) *bytes.Buffer {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: <%s>\r\n%s: %s\r\n", l.from, field, l.to)
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n", l.from, l.to, subject)
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: <%s>\r\n", time.Now().Format(time.RFC1123Z), l.id)
	for _, line := range more {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return &b
}

// notes are the small messages of a maildrop, in turn for each recipient.
func notes(drop string, to ...string) (all []*letter) {
	for n := range small {
		l := &letter{
			id:   fmt.Sprintf("%d.%s@isp.example", n+1, drop),
			from: fmt.Sprintf("sender%d@isp.example", n+1), to: to[n%len(to)],
		}
		b := l.head(fmt.Sprintf("Note %d", n+1))
		fmt.Fprintf(b, "Hello,\r\n\r\nthis is note %d.\r\n", n+1)
		b.WriteString(strings.Repeat("A line of it, and one that begins with a dot:\r\n.so it has to be stuffed.\r\n", 3+n))
		l.octets = b.Bytes()
		all = append(all, l.seal())
	}
	return all
}

// withZip is the message that the MTA's virus scanner chokes on.
func withZip() (*letter, error) {
	l := &letter{id: "zip@studio.example", from: "studio@studio.example", to: jaco}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "plans.raw", Method: zip.Store})
	if err != nil {
		return nil, fmt.Errorf("making the demo's Zip: %w", err)
	}
	f.Write(noise(1, raw(zipSize))) // a Buffer takes all
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("making the demo's Zip: %w", err)
	}
	l.attach("The plans", "plans.zip", "application/zip", z.Bytes())
	return l, nil
}

// forMoved is the message for somebody who is not there any more.
func forMoved() *letter {
	l := &letter{id: "film@friend.example", from: friend, to: moved}
	l.attach("Our holiday film", "film.mp4", "video/mp4", noise(2, raw(movedSize)))
	return l
}

// raw is how much has to be encoded for a message of about size octets.
func raw(size int) int { return (size - 1024) / 78 * 57 }

// noise is what cannot be compressed, the same each time.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// attach makes the message one with a file.
func (l *letter) attach(subject, name, kind string, file []byte) {
	b := l.head(subject, "MIME-Version: 1.0", "Content-Transfer-Encoding: base64",
		`Content-Type: `+kind+`; name="`+name+`"`)
	text := base64.StdEncoding.EncodeToString(file)
	for len(text) > 0 {
		n := min(len(text), 76)
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	l.octets = b.Bytes()
	l.seal()
}
