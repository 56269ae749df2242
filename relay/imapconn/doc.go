// Package imapconn is the way into an IMAP server (RFC 9051, RFC 3501), and a dialogue with it in lines: what has to be
// done on the bare connection before any library has it, and what needs none.
//
// It promises that no credential leaves before TLS where TLS is required; that nothing which came in plain text
// counts afterwards; that an answer fits only the question it was given to; and that a hostile server costs
// bounded memory and time. The mechanisms of a login are those of relay/sasl: a library would answer an empty
// challenge with "=", which ends a SCRAM login, and cannot break off an exchange.
//
// It leaves the connection, its deadlines and its security to relay/wire, and what is said after the login to
// who uses it: fetch/imap gives the connection to a library, fetch/imap's watches and relay/imap go on in lines.
//
// Read first: [Conn.Greet], [Conn.Authenticate], [Conn.Until].
package imapconn
