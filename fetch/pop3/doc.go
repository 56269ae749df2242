// Package pop3 collects mail from a maildrop by POP3: RFC 1939, with CAPA and response codes (RFC 2449, RFC
// 3206), STLS (RFC 2595) and AUTH (RFC 5034; the mechanisms are in relay/sasl).
//
// It promises that no credential leaves in plain text unless the configuration says so, that a body which
// was cut is never taken for a whole one, that DELE is sent only for what [mail.Report.Done] says or
// Release names, by numbers of this session's listing, that no DELE is sent in a session in which the
// server broke the protocol, and that nothing the server sends makes it wait or grow without bound.
// Commands are pipelined where the server says it can.
//
// It leaves deadlines, TLS, octet counts and the trace to relay/wire, which messages to fetch and whether
// they may go to its caller, and line ends to the queue: octets pass as they are.
//
// github.com/knadh/go-pop3 speaks the commands whose reply is one line, over a connection of ours that
// hands it one line at a time; replies of many lines are read here (multi.go), because that library ends a
// body at a bare LF and holds it in memory.
//
// Read first: [Retriever.Open] in open.go, then session.go, then pipeline.go, where the turns are saved.
package pop3
