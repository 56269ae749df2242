// Package smtp delivers to an MTA by SMTP (RFC 5321) or LMTP (RFC 2033), over a connection that is kept.
//
// A [Client] is a mail.Deliverer and a mail.Prober. It promises that Delivered is reported only for
// recipients for whom a whole 250 came in answer to the final dot, that nothing is Failed but by a
// definite 5xx (or for a reason that the caller is told, before the wire), and that a kept connection
// which has died in the meantime costs no attempt. What each failure means is one function, judge in
// trouble.go, and its test is the table.
//
// A destination may have several servers: the next one is asked wherever one refuses us or is away before the final dot, and
// what one connection has found out of a server the others know ([Shared]). MX records are looked up only where an entry
// asks for it. A message goes to as many recipients at once as the server takes; the others come in the next transaction.
// An MTA that trusts us is told who handed the message to the provider ([Introduction]).
//
// It leaves to others: when to try again (the queue), who is told (bounce), trace fields and normal form
// (relay, store). The octets of the content are sent as they are but for dot-stuffing; 8-bit octets go to
// a server without 8BITMIME as they are too, because every server in use is transparent for them and a
// conversion would break signatures. Only an address that is not ASCII needs SMTPUTF8 (RFC 6531); where it
// is missing that recipient, or that message, fails.
//
// RFCs: 5321, 2033, 1870 (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN), 2034 (enhanced codes), 4954
// (AUTH), 3207 (STARTTLS), 9422 (LIMITS), 7505 (null MX). Read first: [Client.Deliver], then send.go.
package smtp
