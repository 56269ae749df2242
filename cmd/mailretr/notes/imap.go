package notes

import (
	"context"
	"encoding/json"
	"reflect"

	"mailretr/fetch"
	"mailretr/fetch/imap"
	"mailretr/store/mail"
)

// Remember lets an IMAP retriever, whose memory m is a value, keep it under a key. What was kept there is in m at once; what
// a session has changed is saved when it has ended well.
func Remember(from *imap.Retriever, to *Server, key string, m *imap.Memory) mail.Retriever {
	if b, ok := to.Load(key); ok {
		// A note that cannot be read is as none.
		if json.Unmarshal(b, m) != nil {
			*m = imap.Memory{}
		}
	}
	return &rememberer{Retriever: from, to: to, key: key, m: m}
}

type rememberer struct {
	*imap.Retriever
	to  *Server
	key string
	m   *imap.Memory
}

// Open opens the maildrop with what is remembered.
func (r *rememberer) Open(ctx context.Context) (mail.Maildrop, error) {
	before := *r.m
	drop, err := r.Retriever.Open(ctx)
	if err != nil {
		return nil, err
	}
	all, ok := drop.(imapMaildrop)
	if !ok {
		return drop, nil
	}
	return &remembered{imapMaildrop: all, r: r, before: before}, nil
}

// imapMaildrop is all that an IMAP session can.
type imapMaildrop interface {
	mail.Maildrop
	mail.Aheader
	mail.Releaser
	mail.Confirmed
	mail.Glancer
	mail.Coverer
	mail.Filterer
	fetch.Foreseer
}

type remembered struct {
	imapMaildrop
	r      *rememberer
	before imap.Memory
}

func (r *remembered) Close() error {
	err := r.imapMaildrop.Close()
	if err == nil && !reflect.DeepEqual(r.before, *r.r.m) {
		if b, e := json.Marshal(r.r.m); e == nil {
			r.r.to.Save(r.r.key, b)
		}
	}
	return err
}
