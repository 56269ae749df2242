package imap

import (
	"bytes"
	"io"
)

// content is a message of a size that can be told.
type content struct {
	io.Closer
	size  int64
	small []byte    // the whole of it; nil: it is read once, from rest
	rest  io.Reader // begins with the first octet
}

// open opens the message. A small one is read, so that its size is what it is and not what was announced.
func (a *attempt) open() (*content, error) {
	body, err := a.m.Content.Open(a.ctx)
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	switch _, err := io.CopyN(&head, body, inMemory); {
	case err == io.EOF:
		return &content{Closer: body, size: int64(head.Len()), small: append([]byte{}, head.Bytes()...)}, nil
	case err != nil:
		body.Close()
		return nil, err
	}
	return &content{Closer: body, size: a.m.Content.Size(), rest: io.MultiReader(&head, body)}, nil
}

// reader reads it from its beginning; a large one only once.
func (c *content) reader() io.Reader {
	if c.small != nil {
		return bytes.NewReader(c.small)
	}
	return c.rest
}
