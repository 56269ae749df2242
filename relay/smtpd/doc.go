// Package smtpd is the front: it takes mail by SMTP (RFC 5321) or LMTP (RFC 2033) from clients, and gives it
// to the queue.
//
// It promises that 250 after a message means that the queue has it durably, and that nothing else is called
// 250; that it relays for nobody but the clients it was told of (see [Options]); that a message ends where
// its client says CRLF.CRLF and nowhere else, and that what two servers could read in two ways is refused:
// bare CR, bare LF, commands that came before the handshake of STARTTLS; that each of its limits has an
// answer; and that what it tells a client is no text of an internal error.
//
// It leaves to the queue what durable means, to cmd/mailretr who listens where ([Server.Serve] takes any
// listener), and to github.com/emersion/go-smtp the parsing of MAIL, RCPT, AUTH and BDAT. Below that library
// stands a [door] of ours, because the library has no deadlines of use, no limits, and no opinion of bare
// LF: it hands out one command at a time, so that nothing is read ahead, and sees each answer.
//
// RFC 5321 (SMTP), 2033 (LMTP), 1870 (SIZE), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 3461 (DSN),
// 4954 (AUTH), 2034 (enhanced codes), 6152 (8BITMIME), 6531 (SMTPUTF8).
//
// Read first: [Options], then door.go (one connection), session.go (one transaction), [Server.Serve].
package smtpd
