package mail

import "time"

// An Op is a step on the path of a message, or in the life of the program. The names are part of logs and status
// records: append, never renumber.
type Op uint8

const (
	OpNone Op = iota

	// Collecting.
	OpResolve  // looking up the server
	OpDial     // connecting
	OpTLS      // securing the connection
	OpGreeting // waiting for the greeting
	OpLogin    // logging in
	OpList     // listing
	OpHeader   // fetching a header
	OpFetch    // fetching a message
	OpSettle   // letting go upstream
	OpQuit     // ending the session
	OpPoll     // a whole session, at its end

	// Queueing.
	OpQueue   // made durable
	OpRefuse  // refused by a probe, never fetched
	OpAside   // left upstream for a reason
	OpNormal  // line ends were mended at the door
	OpAdopt   // a spool file without a record was taken in
	OpStore   // the store itself: disk, database
	OpConfig  // configuration loaded or refused
	OpAlarm   // something an admin has to look at
	OpVerb    // somebody changed a record by hand
	OpStarted // the program began or ended

	// Delivering.
	OpProbe   // asked about recipients
	OpEHLO    // EHLO or LHLO
	OpMail    // MAIL
	OpRcpt    // RCPT
	OpData    // DATA until its 354
	OpBody    // octets, before the final dot
	OpDot     // after the final dot
	OpDeliver // one attempt for one recipient, at its end
	OpLane    // a lane became sick or well
	OpDSN     // a DSN was queued
	OpExpire  // given up for age
	OpHold    // held, or released

	OpRemark // something about a maildrop that stands until it is said otherwise: Topic, Text
	OpWatch  // waiting for the server to say that mail has come

	OpFront   // a client of ours brought mail by SMTP or LMTP, or was refused
	OpMove    // gone to another destination, since its own was away too long
	OpDiscard // a message ended because a filter, or a rule of the admin's, said that nobody shall have it
)

var ops = [...]struct{ word, doing string }{
	OpNone:     {"none", "working"},
	OpResolve:  {"resolve", "looking up the server"},
	OpDial:     {"dial", "connecting"},
	OpTLS:      {"tls", "securing the connection"},
	OpGreeting: {"greeting", "waiting for the greeting"},
	OpLogin:    {"login", "logging in"},
	OpList:     {"list", "listing the maildrop"},
	OpHeader:   {"header", "fetching a header"},
	OpFetch:    {"fetch", "fetching a message"},
	OpSettle:   {"settle", "letting go of messages"},
	OpQuit:     {"quit", "ending the session"},
	OpPoll:     {"poll", "collecting"},
	OpQueue:    {"queue", "queueing"},
	OpRefuse:   {"refuse", "refusing"},
	OpAside:    {"aside", "setting aside"},
	OpNormal:   {"normal", "mending line ends"},
	OpAdopt:    {"adopt", "adopting a spool file"},
	OpStore:    {"store", "storing"},
	OpConfig:   {"config", "reading the configuration"},
	OpAlarm:    {"alarm", "working"},
	OpVerb:     {"verb", "changing the queue"},
	OpStarted:  {"started", "starting"},
	OpProbe:    {"probe", "asking about recipients"},
	OpEHLO:     {"ehlo", "greeting the MTA"},
	OpMail:     {"mail", "sending MAIL"},
	OpRcpt:     {"rcpt", "sending RCPT"},
	OpData:     {"data", "sending DATA"},
	OpBody:     {"body", "sending the message"},
	OpDot:      {"dot", "waiting for the answer to the message"},
	OpDeliver:  {"deliver", "delivering"},
	OpLane:     {"lane", "reaching the MTA"},
	OpDSN:      {"dsn", "reporting"},
	OpExpire:   {"expire", "giving up"},
	OpHold:     {"hold", "holding"},
	OpRemark:   {"remark", "looking at the maildrop"},
	OpWatch:    {"watch", "waiting for news"},
	OpFront:    {"front", "taking mail from a client"},
	OpMove:     {"move", "moving to another destination"},
	OpDiscard:  {"discard", "discarding"},
}

// String returns the short word, as logs have it.
func (o Op) String() string {
	if int(o) < len(ops) {
		return ops[o].word
	}
	return "none"
}

// Doing returns the step as a gerund, as error texts have it: "logging in".
func (o Op) Doing() string {
	if int(o) < len(ops) {
		return ops[o].doing
	}
	return ops[OpNone].doing
}

// What a report that was queued tells: the Topic of OpDSN.
const (
	ReportFailure = "failure"
	ReportDelay   = "delay"
	ReportSuccess = "success"
)

// An Event is one step that was made, or that failed. Logs, metrics, status records and webhooks are made from
// events and from nothing else. Fields that mean nothing for an Op are zero.
type Event struct {
	At     time.Time
	Op     Op
	ID     ID     // queue id
	Origin Origin // maildrop, account, UID
	Lane   Lane
	From   Path
	To     Path // one recipient, for OpDeliver
	Relay  string

	Attempt  int           // 1 for the first
	Delay    time.Duration // since it was queued
	Outcome  Outcome       // for OpDeliver, OpProbe
	Enhanced string
	Reply    string // server's words, not escaped

	Messages int           // how many the event speaks of
	Octets   int64         // of message content
	Up, Down int64         // octets on the line, TLS and commands included (OpPoll)
	Saved    int64         // octets that did not have to cross the line a second time, or at all
	Wasted   int64         // octets that crossed it for nothing
	Next     time.Time     // when it is tried again
	Took     time.Duration // of OpPoll: how long the session took
	Known    int           // of OpPoll: messages that were not fetched, because they had been here before
	Text     string        // one sentence for people, where the fields do not say it
	// Topic of OpRemark: it takes the place of the one before it; without Text it only ends that one. Of a report that was
	// queued (OpDSN): one of the Report words.
	Topic string
	Err   error // what went wrong; a *Trouble for collecting
	Alarm bool  // an admin should look at it
}
