package journal

import "mailretr/store/mail"

// A pair is what is said of a step that was made, and of one that failed.
type pair struct{ well, ill string }

// sentences are said where an event brings no text of its own. What it speaks of stands in the keys.
var sentences = map[mail.Op]pair{
	mail.OpResolve:  {"the server was found", "the server was not found"},
	mail.OpDial:     {"connected", "no connection"},
	mail.OpTLS:      {"the connection is secured", "the connection cannot be secured"},
	mail.OpGreeting: {"the server has greeted", "the server did not greet as it should"},
	mail.OpLogin:    {"logged in", "the login failed"},
	mail.OpList:     {"mail waits in the maildrop", "the maildrop was not listed"},
	mail.OpHeader:   {"a header was fetched", "a header was not fetched"},
	mail.OpFetch:    {"a message was fetched", "a message was not fetched"},
	mail.OpSettle:   {"let go of in the maildrop", "not let go of in the maildrop; that is tried again"},
	mail.OpQuit:     {"the session has ended", "the session did not end well"},
	mail.OpPoll:     {"collected", "not collected"},
	mail.OpWatch:    {"the server says when mail comes", "the server does not say when mail comes"},

	mail.OpQueue:   {"queued: it is durable here", "not queued"},
	mail.OpRefuse:  {"refused by the MTA: the body is not fetched", "refused by the MTA, and that was not noted"},
	mail.OpAside:   {"left in the maildrop", "left in the maildrop"},
	mail.OpNormal:  {"line ends were mended", "line ends were not mended"},
	mail.OpAdopt:   {"found without a record, and taken in", "found without a record, and not taken in"},
	mail.OpStore:   {"the store was looked after", "the store has trouble"},
	mail.OpConfig:  {"the configuration was read", "the configuration was not read"},
	mail.OpAlarm:   {"somebody has to look at this", "somebody has to look at this"},
	mail.OpVerb:    {"changed by hand", "not changed"},
	mail.OpStarted: {"started", "not started"},

	mail.OpProbe:   {"the MTA was asked about the recipients", "the MTA was not asked about the recipients"},
	mail.OpEHLO:    {"the MTA has greeted", "the MTA did not greet as it should"},
	mail.OpMail:    {"MAIL was taken", "MAIL was not taken"},
	mail.OpRcpt:    {"RCPT was taken", "RCPT was not taken"},
	mail.OpData:    {"DATA was taken", "DATA was not taken"},
	mail.OpBody:    {"the message was sent", "the message was not sent"},
	mail.OpDot:     {"the message was answered", "the message was not answered"},
	mail.OpLane:    {"the next hop takes mail", "the next hop takes no mail"},
	mail.OpDSN:     {"a report was queued", "a report was not queued"},
	mail.OpExpire:  {"given up: its time is over", "given up: its time is over"},
	mail.OpHold:    {"held", "held"},
	mail.OpDiscard: {"dropped, as configured", "not dropped"},
	mail.OpMove:    {"moved to another destination", "not moved to another destination"},

	mail.OpFront: {"a client brought mail", "a client was refused"},

	mail.OpRemark: {"nothing is to be remarked any more", "nothing is to be remarked any more"},
}

// sentence is the message of a line: what has happened, as far as the keys do not say it.
func sentence(e mail.Event) string {
	switch {
	case e.Op == mail.OpAside && e.Text != "":
		return sentences[e.Op].well + ": " + mail.Printable(e.Text, widest)
	case e.Text != "":
		return mail.Printable(e.Text, widest)
	case e.Op == mail.OpDeliver:
		return e.Outcome.String()
	case e.Op == mail.OpList && e.Messages == 0 && e.Err == nil:
		return "nothing waits in the maildrop any more"
	case e.Op == mail.OpPoll && e.Messages == 0 && e.Err == nil:
		return "no new mail"
	}
	s, ok := sentences[e.Op]
	switch {
	case !ok:
		return e.Op.Doing() // a step of tomorrow
	case e.Err != nil:
		return s.ill
	}
	return s.well
}
