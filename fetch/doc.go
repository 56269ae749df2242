// Package fetch collects: it says which maildrop is opened when, how many at once, what a session
// takes, and who its messages are for.
//
// A [Poller] visits many maildrops. It promises that no more sessions run at once than its limits say,
// that a maildrop has one session at a time, that a failure is answered as the table of [Next] says and
// is not forgotten by a restart, that a message which breaks each session in which it is asked for does
// not stop the others, and that idle maildrops cost a few hundred octets each and no goroutine. A visit
// is one session, or several where large bodies or suspects wait: the small mail is let go of before a
// large body is asked for. What a visit may cost is said by a budget (fetch/budget); what has no room in it,
// or is too large for its owner, is left upstream with a note.
//
// A body that was cut, and cannot be gone on with, is asked for again by a rule that bounds what it may waste (cut.go): at
// most twice its size in 24 hours, and less and less on the days after.
//
// It leaves the octets to the kinds (fetch/pop3, fetch/imap), the moving to relay.Transfer, and the
// marks, which say what is ours already, to the [Ledger]: the queue. Who a message is for is said by
// [Single] and [Multi], by the configuration or header fields that the provider writes, never by a guess
// (RFC 5321, 3.6 and 4.4 on Return-Path and Received; RFC 5322, 2.2 and 3.4 on fields and addresses). One
// mail that is stored once for each recipient crosses the line once ([Multi.Identity]).
//
// Read first: [Next], then [Poller], then session.run in collect.go.
package fetch
