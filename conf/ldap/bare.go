package ldap

import (
	"errors"
	"io"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// bare reads a message of so many octets behind its head, which is an entry, and returns one that says its name and that it is
// too large, with the controls that came with it: synchronisation knows it by these. What it holds is read and not kept.
func bare(r io.Reader, length int) ([]byte, error) {
	all := &io.LimitedReader{R: r, N: int64(length)}
	id, err := whole(all, 16)
	if err != nil {
		return nil, err
	}
	head, n, err := part(all)
	if err != nil || head[0] != tagEntry {
		return nil, errors.Join(err, errors.New("a message is too large"))
	}
	entry := &io.LimitedReader{R: all, N: int64(n)}
	name, err := whole(entry, maxName)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, entry); err != nil {
		return nil, err
	}
	controls, err := io.ReadAll(io.LimitReader(all, maxControls+1))
	switch {
	case err != nil:
		return nil, err
	case len(controls) > maxControls:
		return nil, errors.New("a message is too large")
	case entry.N > 0 || all.N > 0:
		return nil, io.ErrUnexpectedEOF
	}
	op := append(name, sparedAttribute()...)
	m := append(append(id, wrapped(tagEntry, op)...), controls...)
	return wrapped(0x30, m), sound(m)
}

// sparedAttribute is a list of attributes (RFC 4511, 4.1.7) that has spared alone.
func sparedAttribute() []byte {
	text := func(s string) []byte { return wrapped(byte(ber.TagOctetString), []byte(s)) }
	return wrapped(0x30, wrapped(0x30, append(text(spared), wrapped(0x31, text("1"))...)))
}

// wrapped is an element.
func wrapped(tag byte, content []byte) []byte {
	n := len(content)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
}

// part reads the head of an element.
func part(r io.Reader) (head []byte, length int, err error) {
	head = make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, 0, unexpected(err)
	}
	return lengthOf(r, head)
}

// whole reads an element whose content has at most so many octets.
func whole(r io.Reader, most int) ([]byte, error) {
	head, n, err := part(r)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, errors.New("a message is too large")
	}
	b := append(head, make([]byte, n)...)
	if _, err := io.ReadFull(r, b[len(head):]); err != nil {
		return nil, unexpected(err)
	}
	return b, nil
}
