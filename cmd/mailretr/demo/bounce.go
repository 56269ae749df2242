package demo

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

// A Bounce is a report as its reader sees it.
type Bounce struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"` // the part for people
}

// parseBounce reads a report: its first part is the one for people (RFC 6522, 3).
func parseBounce(octets []byte) (*Bounce, error) {
	m, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		return nil, fmt.Errorf("reading the bounce: %w", err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		return nil, fmt.Errorf("the bounce is a %q, not a multipart/report", kind)
	}
	p, err := multipart.NewReader(m.Body, params["boundary"]).NextPart()
	if err != nil {
		return nil, fmt.Errorf("reading the bounce: %w", err)
	}
	text, err := io.ReadAll(p)
	if err != nil {
		return nil, fmt.Errorf("reading the bounce: %w", err)
	}
	return &Bounce{
		From: m.Header.Get("From"), To: m.Header.Get("To"), Subject: m.Header.Get("Subject"),
		Text: strings.ReplaceAll(strings.TrimSpace(string(text)), "\r\n", "\n"),
	}, nil
}
