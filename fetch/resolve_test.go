package fetch

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"mailretr/store/mail"
)

// text is a content with a header only.
type text string

func (t text) Size() int64                            { return int64(len(t)) }
func (t text) Header(context.Context) ([]byte, error) { return []byte(t), nil }

func (t text) Open(context.Context) (io.ReadCloser, error) { return nil, errors.New("not asked for") }

type resolver = func(context.Context, *mail.Message) error

func resolve(t *testing.T, r resolver, header string) (mail.Envelope, error) {
	t.Helper()
	m := &mail.Message{Content: text(header)}
	err := r(t.Context(), m)
	return m.Envelope, err
}

func forwards(e mail.Envelope) (all []mail.Path) {
	for _, x := range e.Recipients {
		all = append(all, x.Forward)
	}
	return all
}

func TestReversePath(t *testing.T) {
	for _, c := range []struct{ header, sender, want string }{
		{"Return-Path: <a@b.example>\r\n", "", "a@b.example"},
		{"return-path: a@b.example\n", "", "a@b.example"},
		{"Return-Path: <>\r\nFrom: a@b.example\r\n", "", ""},
		{"Return-Path: <top@b.example>\r\nReturn-Path: <forged@b.example>\r\n", "", "top@b.example"},
		{"Return-Path:\r\n <a@b.example>\r\n", "", "a@b.example"},
		{"From: a@b.example\r\n", "", ""},
		{"Return-Path: <MAILER-DAEMON>\r\n", "", ""},
		{"Return-Path: <-oX@b.example>\r\n", "", ""},
		{"Return-Path: <a@b.example> <c@d>\r\n", "", ""},
		{"Return-Path: <a@b\r\nRCPT TO:<c@d>\r\n", "", ""},
		{"Return-Path: a@b, c@d\r\n", "", ""},
		{"Return-Path: <x@y>\r\nX-Sender: Joe <a@b.example>\r\n", "X-Sender", "a@b.example"},
		{"Return-Path: <x@y>\r\n", "X-Sender", ""},
		{"From joe Mon Jan  1\r\nno field at all\r\n continued\r\nReturn-Path: <a@b>\r\n", "", "a@b"},
	} {
		e, err := resolve(t, Single{To: []mail.Path{"to@x", "too@x"}, Sender: c.sender}.Resolve, c.header)
		if err != nil || string(e.Reverse) != c.want || len(e.Recipients) != 2 {
			t.Errorf("%q by %q: %q, %v, %v; want %q", c.header, c.sender, e.Reverse, e.Recipients, err, c.want)
		}
	}
}

func TestArrival(t *testing.T) {
	const date = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
	for header, want := range map[string]string{
		"Received: by a; b;\r\n\tFri, 2 Jan 2026 03:04:05 +0000\r\n" + date: "2026-01-02",
		"Received: by a\r\n" + date:                                         "2026-01-01",
		"Received: by a; when?\r\nDate: soon\r\n":                           "0001-01-01",
		"": "0001-01-01",
	} {
		if got := Arrival([]byte(header)).Format(time.DateOnly); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
