// Package relaytest tries deliverers: a contract suite that each of them passes, the queue included, and
// an MTA that fails on order.
//
// [Run] is the suite; an implementation describes itself by a [Harness]. [MTA] speaks SMTP or LMTP as RFC
// 5321 and RFC 2033 have it, records each message with its envelope octet for octet, and does at each step
// what a [Script] says instead: refuse, cut, hang, talk nonsense. It uses no mail library, so that it can
// be as wrong as the worst server is.
package relaytest
