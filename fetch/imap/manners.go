package imap

import (
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

// Some servers give mail as it is only to who has asked for it, or to who has said who he is.

// can says what the server can, before it is known again what it could last time.
func (s *session) can(c goimap.Cap) bool {
	if s.caps != nil {
		return s.caps.Has(c)
	}
	return s.o.Memory != nil && slices.Contains(s.o.Memory.Caps, string(c))
}

// accept asks for mail with UTF-8 in its header as it is (UTF8=ACCEPT, RFC 6855): Courier puts a note of its own
// in the place of such a message otherwise, and others rewrite the header. It leaves in front of the first
// SELECT, since it may not come later (RFC 5161, 3.1); a refusal changes nothing. Names of folders are written in
// another way afterwards, which the library does not read: so it is done only where all of them are the same in
// both.
func (s *session) accept() *imapclient.EnableCommand {
	offered := s.can(goimap.CapUTF8Accept) || s.can(utf8Only)
	if s.accepting || !offered || !s.can(goimap.CapEnable) && !s.can(goimap.CapIMAP4rev2) ||
		!plainName(s.o.Target) || slices.ContainsFunc(s.folders, func(f *folder) bool { return !plainName(f.name) }) {
		return nil
	}
	s.accepting = true
	return s.c.Enable(goimap.CapUTF8Accept)
}

// accepted takes the answer to it. One that is refused, or enables nothing, leaves names as they were.
func (s *session) accepted(enable *imapclient.EnableCommand) {
	data, err := enable.Wait()
	s.utf8 = err == nil && data.Caps.Has(goimap.CapUTF8Accept)
	s.coding()
}

// coding says how names are written: in UTF-8 also where there is nothing but IMAP4rev2.
func (s *session) coding() {
	s.line.utf8.Store(s.utf8 || s.can(goimap.CapIMAP4rev2) && !s.can(goimap.CapIMAP4rev1))
}

const utf8Only = goimap.Cap("UTF8=ONLY")

// plainName says whether a folder's name is the same in modified UTF-7 and in UTF-8 (RFC 9051, Appendix A.1).
func plainName(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return r > 0x7e || r == '&' }) < 0
}

// whoWeAre is the command that says it.
const whoWeAre = `ID ("name" "mailretr")`

// introduce says who we are (ID, RFC 2971), past the library, which does not bear most answers. NetEase opens no
// folder for who does not. Nothing may be under way. A refusal changes nothing.
func (s *session) introduce() error {
	s.introduced = true
	if _, _, err := s.line.ask([]string{whoWeAre}, "ID", chatter); err != nil {
		return s.fail(mail.OpList, err)
	}
	return nil
}

// asksWho says whether a folder was refused because we have not said who we are, as far as it can be told: the
// words are those of NetEase.
func (s *session) asksWho(t *mail.Trouble) bool {
	return !s.introduced && s.can(goimap.CapID) && unsafeLogin(t)
}

func unsafeLogin(t *mail.Trouble) bool {
	return strings.Contains(strings.ToLower(t.Reply), "unsafe login")
}
