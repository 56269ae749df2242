// Package demo shows the promise in seconds: a POP3 server, an IMAP server and an MTA inside the process, filled with mail,
// with an MTA that refuses and defers on purpose. What is shown goes through the same code as real mail; only the servers are
// here. It promises to touch nothing outside of a temporary directory and of loopback.
package demo
