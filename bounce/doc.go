// Package bounce says to whom it may concern that mail could not be delivered: it composes delivery status
// notifications (DSN; RFC 3461, 3464, 6522, and 6533 where an address needs it) and decides who must not
// get one.
//
// It promises that a DSN comes from addresses and names of the configuration only, has the null
// reverse-path, goes to the reverse-path and never to From, names every failed recipient with what the
// server said, and carries the header of the message but not its body. Whatever a hostile server, sender or
// recipient wrote, the report has one From, three parts, and lines that fit. Where no DSN may go, the
// message goes whole to the postmaster, once. It also tells of delays, and of successes to who asked for that.
// What people read is a template per language (text/*.tmpl), which a user may replace in whole or in part.
//
// It leaves to the queue when a report is made, that each failed recipient gets exactly one, and that the
// report and the end of the recipients are one commit; to fetch, what the reverse-path of a collected
// message is.
//
// Read [Reporter.Report] first, then [Policy.Decide], and [Letter] for what templates are given.
package bounce
