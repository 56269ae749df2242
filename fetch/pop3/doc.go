// Package pop3 collects mail from a maildrop by POP3: RFC 1939, with CAPA and response codes (RFC 2449, RFC
// 3206), STLS (RFC 2595) and AUTH (RFC 5034; the mechanisms are in relay/sasl).
//
// It promises that no credential leaves in plain text unless the configuration says so, that a body which was
// cut is never taken for a whole one, that DELE is sent only for what [mail.Report.Done] says or Release
// names, by numbers of this session's listing, that no DELE is sent in a session in which the server broke
// the protocol, and that nothing the server sends makes it wait or grow without bound. Commands are pipelined
// where the server says it can.
//
// Nobody pays for what has not changed: Open ends with STAT; what was added is found out message by message
// (glance.go), and only where that cannot be is everything listed. What a server can, and what it gets wrong,
// is remembered: no CAPA in later sessions, no TOP where it brings bodies, no unique-id that was no identity
// before (past.go). The owner is told of it (mail.OpRemark).
//
// Unique-ids are asked for even where all that waits is new and will be deleted. They cost some 25 octets a
// message, and the mark of a message has to be durable before it is deleted. A number means another message in
// the next session; a name made of the content would have to be found again, behind each session that was cut,
// in the headers of all that wait, some 2 KB each: one cut in eighty sessions takes more than that saves.
//
// A server may hide what was retrieved though nobody deletes it (Gmail does, and announces EXPIRE 0). There
// one message is asked for at a time, and QUIT is left out as long as one of them is not ours: so what was
// asked for is listed again unless the server hides it at RETR. Then the user name recent:NAME lists it; what
// became ours is known by its mark and is not collected again. What is not listed any more is told by name.
//
// It leaves deadlines, TLS, octet counts and the trace to relay/wire, which messages to fetch and whether
// they may go to its caller, and line ends to the queue: octets pass as they are.
//
// github.com/knadh/go-pop3 speaks the commands whose reply is one line, over a connection of ours that hands
// it one line at a time; replies of many lines are read here (multi.go), because that library ends a body at
// a bare LF and holds it in memory.
//
// Read first: [Retriever.Open] in open.go, then session.go, then pipeline.go, where the turns are saved.
package pop3
