// Package demo shows the promise in seconds: a POP3 server, an IMAP server and an MTA inside the process,
// filled with mail, with an MTA that refuses and defers on purpose. Only this world around mailretr is here,
// with what is said about it; the mail goes through the code of `mailretr serve`, which the caller runs.
//
// It promises to touch nothing but loopback, and to judge by what the servers have seen, never by what the
// code that is shown says of itself: octets are counted at the provider's end of the line, messages compared
// at the MTA.
//
// Read [Stage] first (who plays), then [Story] (what is told while it happens) and [Stage.Judge] (what came
// of it).
package demo
