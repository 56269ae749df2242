package pop3

import (
	"fmt"
	"time"

	"mailretr/store/mail"
)

// LoginDelay is how long the server wants to be left alone between two logins (RFC 2449, 6.5), for this user
// where it says so; 0: it does not say.
func (s *session) LoginDelay() time.Duration {
	if d := s.known.After.delay(); d > 0 {
		return d
	}
	return s.known.Before.delay()
}

// expire is how many days mail stays at the server.
func (s *session) expire() (days int, ok bool) {
	if s.known.After.argument("EXPIRE") != "" {
		return s.known.After.expire()
	}
	return s.known.Before.expire()
}

// wary says whether what was asked for may not be listed again, though nobody deletes it: the server
// announces EXPIRE 0 (Gmail does), or has hidden messages before. Then one message is asked for at a time, so
// that a cut line costs one at most, and QUIT is not sent as long as one of them has not become ours: a
// session that ends without it changes nothing (RFC 1939, 6).
func (s *session) wary() bool {
	days, ok := s.expire()
	return ok && days == 0 || s.past.hides()
}

// atRisk says whether something was asked for and has not become ours.
func (s *session) atRisk() bool {
	for _, x := range s.each() {
		if x.asked && !x.gone {
			return true
		}
	}
	return false
}

// hidden tells of a message that is not listed any more.
func (s *session) hidden(uid mail.UID) {
	o := mail.Origin{Maildrop: s.opts.Name, Account: s.opts.Account, UID: uid}
	s.observe(mail.Event{Op: mail.OpAlarm, Alarm: true, Origin: o, Err: &mail.Trouble{
		Op: mail.OpList, Kind: mail.Protocol, Server: s.server, Alone: true, Hint: hidingHint,
		Err: fmt.Errorf("message %s was asked for, did not become ours, and is not listed any more: "+
			"somebody has deleted it, or the server hides what was retrieved", mail.Printable(string(uid), 100))}})
}

const hidingHint = "Look for it with the provider's webmail. Where this happens again, collect by IMAP; " +
	"at Gmail the user name recent:NAME lists hidden messages too, and none of them is collected twice."

// remarks are what the owner should know of this server, by topic; "" where there is nothing.
func (s *session) remarks() map[string]string {
	all := map[string]string{"expire": "", "top": "", "hidden": ""}
	days, ok := s.expire()
	switch {
	case !ok || s.opts.After != Keep:
	case days == 0:
		all["expire"] = "The server says that it keeps nothing that was retrieved (EXPIRE 0), " +
			"though it is to be kept."
	default:
		all["expire"] = fmt.Sprintf("The server deletes mail after %d days (EXPIRE), "+
			"though it is to be kept.", days)
	}
	if s.known.Why != "" {
		all["top"] = "The server " + s.known.Why + ": messages are fetched whole, and nobody is asked before."
	}
	if s.past.hides() {
		all["hidden"] = "The server hides what was asked for, even if it did not arrive. " + hidingHint
	}
	return all
}

// remark tells the owner what has changed of it.
func (s *session) remark() {
	for topic, text := range s.remarks() {
		if s.past.Told[topic] == text {
			continue
		}
		if s.past.Told == nil {
			s.past.Told = map[string]string{}
		}
		if s.past.Told[topic] = text; text == "" {
			delete(s.past.Told, topic)
		}
		s.observe(mail.Event{Op: mail.OpRemark, Topic: topic, Text: text,
			Origin: mail.Origin{Maildrop: s.opts.Name, Account: s.opts.Account}})
	}
}

func (s *session) observe(e mail.Event) {
	if s.opts.Observe != nil {
		e.At = s.opts.now()
		s.opts.Observe.Observe(e)
	}
}
