// Package conf is the configuration as plain data: what was asked for, where it was written, and what is
// wrong with it.
//
// It promises that every value carries the place it came from (see [Where]), that [Config.Validate] finds
// every mistake in one run and says what to do, that a mistake in one maildrop never stops the others
// ([Config.LeaveOut]), and that a secret is never printed and is read at login, not at start ([Secret]).
//
// It leaves reading files to its kinds (conf/yaml), and the question which kinds of destination and source
// were built into the program to cmd/mailretr. It imports nothing of ours, and no protocol package imports
// it: each has its own options, which cmd converts.
//
// Read [Config] first, then [Config.Validate].
package conf
