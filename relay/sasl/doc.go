// Package sasl chooses how to log in, and is the client's side of each way (RFC 4422). POP3, IMAP and SMTP
// share it.
//
// It promises that nothing that could be read along or used again (a password, a token) leaves on a
// connection without TLS, unless the configuration said `tls: none`; that with SCRAM a server which does not
// prove that it knows the password is not believed, whatever it says; that no answer of a server makes it
// calculate for long or hold much; and that what it was given is found again in no error.
//
// It leaves to the protocols how a challenge crosses the line ([Carrier]), to relay/wire the length of a line
// and the trace, and to whoever configured it where password or token come from. github.com/xdg-go/scram
// calculates SCRAM (RFC 5802, RFC 7677) and its channel bindings (RFC 5929, RFC 9266),
// github.com/emersion/go-sasl has PLAIN (RFC 4616), EXTERNAL (RFC 4422, A) and OAUTHBEARER (RFC 7628); LOGIN,
// CRAM-MD5 (RFC 2195) and XOAUTH2 are here.
//
// Read first: [Request.Choose], then [Exchange.Run].
package sasl
