//go:build unix

package main

import (
	"bytes"
	"errors"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// imap starts the library's server, which keeps its mail in memory.
func (w *world) imap(name string, move bool) crashDrop {
	all, user := imapmemserver.New(), imapmemserver.NewUser(name, "secret")
	if err := user.Create("INBOX", nil); err != nil {
		w.t.Fatal(err)
	}
	all.AddUser(user)
	caps := imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}}
	if move {
		caps[imap.CapMove] = struct{}{}
	}
	address := serveIMAP(w.t, caps, func() imapserver.Session {
		return crashSession{all.NewSession().(imapserver.SessionIMAP4rev2), w}
	})
	return crashDrop{
		url: "imap://" + name + "@" + address,
		put: func(b []byte) {
			_, err := user.Append("INBOX", sizedReader{bytes.NewReader(b)}, &imap.AppendOptions{})
			if err != nil {
				w.t.Fatal(err)
			}
		},
		left: func() int {
			st, err := user.Status("INBOX", &imap.StatusOptions{NumMessages: true})
			if err != nil {
				w.t.Fatal(err)
			}
			return int(*st.NumMessages)
		},
		moved: func() map[string]int { return w.subjects(all, name) },
	}
}

// subjects reads the folder that mail is moved to.
func (w *world) subjects(all *imapmemserver.Server, user string) map[string]int {
	s := all.NewSession()
	defer s.Close()
	err := s.Login(user, "secret")
	if _, e := s.Select("Old", &imap.SelectOptions{ReadOnly: true}); err != nil || e != nil {
		w.t.Fatal(errors.Join(err, e))
	}
	found := map[string]int{}
	for no := range w.given {
		c := &imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: "<" + no + "@example.org>"}}}
		d, err := s.Search(imapserver.NumKindUID, c, &imap.SearchOptions{ReturnCount: true, ReturnAll: true})
		if err != nil {
			w.t.Fatal(err)
		}
		if n := len(d.AllUIDs()); n > 0 {
			found[no] = n
		}
	}
	return found
}

// A crashSession comes to a point when something was done there, and before it is answered.
type crashSession struct {
	imapserver.SessionIMAP4rev2
	w *world
}

func (s crashSession) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	d, err := s.SessionIMAP4rev2.Copy(set, to)
	if err == nil { // else the folder is missing
		s.w.at("imap.copy")
	}
	return d, err
}

func (s crashSession) Move(m *imapserver.MoveWriter, set imap.NumSet, to string) error {
	err := s.SessionIMAP4rev2.Move(m, set, to)
	if err == nil {
		s.w.at("imap.move")
	}
	return err
}

func (s crashSession) Create(name string, o *imap.CreateOptions) error {
	err := s.SessionIMAP4rev2.Create(name, o)
	s.w.at("imap.create")
	return err
}

func (s crashSession) Store(f *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, o *imap.StoreOptions) error {
	err := s.SessionIMAP4rev2.Store(f, set, flags, o)
	s.w.at("imap.store")
	return err
}

func (s crashSession) Expunge(e *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	err := s.SessionIMAP4rev2.Expunge(e, uids)
	s.w.at("imap.expunge")
	return err
}
