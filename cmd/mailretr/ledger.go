package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// policy is what the ledger wants to know of a maildrop.
type policy struct {
	after    conf.After
	settings string // hash of what aside notes depend on
}

// ledger is the queue's marks as the poller wants them.
type ledger struct {
	q       *store.Queue
	observe mail.Observer
	said    *sync.Map // by name of a maildrop: what was remarked last
	notice  func(d *fetch.Drop, m *mail.Message, header []byte) *mail.Message
}

var _ fetch.Ledger = ledger{}

// topicConfirm is the topic of what waits for somebody's word.
const topicConfirm = "confirm"

// remark says, once, how much waits for somebody's word before it is let go of.
func (l ledger) remark(d *fetch.Drop, n int) {
	text := ""
	if n > 0 {
		text = fmt.Sprintf("%s from the time when this maildrop kept its mail will stay, unless you say: "+
			"mailretr seen accept --kept %s", term.Count(n, "message"), d.Name)
	}
	if was, told := l.said.Swap(d.Name, text); told && was == text {
		return
	}
	l.observe.Observe(mail.Event{At: time.Now(), Op: mail.OpRemark, Topic: topicConfirm, Text: text,
		Origin: mail.Origin{Maildrop: d.Name, Account: d.Account}})
}

func (l ledger) Choose(ctx context.Context, d *fetch.Drop, x fetch.Listing) (mail.Choice, error) {
	p := d.Policy.(policy)
	ask := store.Listing{
		Maildrop: d.Name, Account: d.Account, UIDs: x.UIDs, Complete: x.Complete,
		Folders: x.Folders, Copies: x.Copies,
		Lets: p.after.Act != conf.Keep, Stays: p.after.Act == conf.Mark, Days: p.after.Days(), Above: p.after.Above,
		Settings: p.settings, Size: x.Size,
	}
	switch {
	case x.Over:
		ask.Hasten = fetch.AsideBudget
	case x.Mended:
		ask.Hasten = fetch.AsideCut
	}
	if x.Old != nil {
		ask.First, ask.Old = store.FirstSome, x.Old
	}
	c, err := l.q.Choose(ctx, ask)
	if err == nil && c.Pause != "" {
		err = &mail.Trouble{Op: mail.OpList, Kind: mail.Local, Server: d.Server, Err: errors.New(c.Pause), Hint: c.Pause}
	} else if err == nil && x.Complete {
		l.remark(d, c.Confirm)
	}
	return c.Choice, err
}

// Known lets go of nothing that is kept, or has to wait; the next listing knows when it is time.
func (l ledger) Known(ctx context.Context, d *fetch.Drop, all []*mail.Message) (known, let []mail.UID, err error) {
	known, let, err = l.q.Recognize(ctx, all)
	later := map[mail.UID]bool{}
	for _, m := range all {
		later[m.Origin.UID] = !d.Policy.(policy).after.Now(m.Content.Size())
	}
	return known, slices.DeleteFunc(let, func(u mail.UID) bool { return later[u] }), err
}

func (l ledger) Confirm(ctx context.Context) error { return l.q.Confirm(ctx) }

func (l ledger) Gone(ctx context.Context, d *fetch.Drop, uids []mail.UID) error {
	if d.Policy.(policy).after.Act == conf.Mark {
		return l.q.Stay(ctx, d.Account, uids)
	}
	return l.q.Gone(ctx, d.Account, uids)
}

func (l ledger) Aside(ctx context.Context, d *fetch.Drop, x fetch.Aside) (tries int, since time.Time, err error) {
	a := store.Aside{
		Account: x.Origin.Account, UID: x.Origin.UID, Maildrop: d.Name, Kind: x.Kind, Why: x.Why, Header: x.Header,
		Size: x.Size, Next: x.Next, Settings: d.Policy.(policy).settings,
	}
	if x.Trouble != nil {
		a.Err = x.Trouble
	}
	a, err = l.q.Aside(ctx, a)
	return a.Tries, a.Since, err
}

func (l ledger) Notice(ctx context.Context, d *fetch.Drop, m *mail.Message, x fetch.Aside) error {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	a := store.Aside{Maildrop: d.Name, Kind: x.Kind, Why: x.Why, Size: x.Size, Settings: d.Policy.(policy).settings}
	if x.Trouble != nil {
		a.Err = x.Trouble
	}
	return l.q.Notice(ctx, m, l.notice(d, m, header), a)
}
