package imap

import (
	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// A folder is a mailbox in the sense of IMAP, and what was in it when the session was opened.
type folder struct {
	name     string
	validity uint32
	next     uint32 // UIDNEXT, 0 where the server did not say
	modseq   uint64 // HIGHESTMODSEQ, 0 where the server did not say; asked for with a filter only
	exists   uint32
	uids     []goimap.UID // ascending: of the whole folder if listed, else of what is new
	listed   bool
	complete bool
	left     bool // left out of this session
	why      *mail.Trouble
	to       []mail.Path // whom its mail is for; nil: the caller knows
	infos    map[goimap.UID]info
	ahead    map[goimap.UID]info // of messages from low on, before it was asked which ones are wanted
	low      uint32              // 0: nothing was asked ahead
	high     uint32              // what is asked ahead ends before it
	settled  map[goimap.UID]bool // to be let go of
	again    map[goimap.UID]bool // of these, what an earlier session took
}

// enter makes f the selected folder. Everything that was announced must be through or forgotten.
func (s *session) enter(f *folder) error {
	if s.selected == f { // only this goroutine changes it
		return nil
	}
	defer s.line.begin(chatter)()
	s.choose(nil)
	if enable := s.accept(); enable != nil {
		defer s.accepted(enable)
	}
	data, err := s.c.Select(f.name, &goimap.SelectOptions{ReadOnly: s.o.After == Keep}).Wait()
	if err != nil {
		t := s.trouble(mail.OpList, err)
		if status(err) {
			t.Alone = true
			return t
		}
		return s.fail(mail.OpList, err)
	}
	if data.UIDValidity != f.validity {
		t := s.odd(f, mail.Busy, "it was made anew during the session")
		t.Alone = true
		f.forget()
		f.listed = true // nothing of it is this session's any more
		return t
	}
	s.choose(f)
	return nil
}

func (s *session) choose(f *folder) {
	s.mu.Lock()
	s.selected = f
	s.mu.Unlock()
}
