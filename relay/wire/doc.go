// Package wire is what lies below every protocol: dialling (directly, through a proxy, by a command), TLS,
// compression, deadlines, octet counts, limits, rates to keep to, and a trace that never shows a password.
//
// It promises that no read or write waits for ever, that nothing a server sends grows without bound, that
// STARTTLS is never traded for plain text, and that octets are counted below TLS and compression, as the line
// has them. It leaves to the protocols what the octets mean. It exists because every client library above it
// either has no deadlines or absolute ones that kill a slow big message, and none of them is bounded: a
// [Conn] swallows the deadlines that libraries set and applies its own to each read and write.
//
// Read first: [Dial], then [Conn].
package wire
