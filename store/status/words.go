package status

import "mailretr/store/mail"

// meaning is what a kind of trouble means for the owner of a maildrop.
type meaning struct {
	state         State
	wrong, advice string
}

// meanings is the table of what people are told. A Trouble that knows better says so by its Hint.
var meanings = map[mail.Kind]meaning{
	mail.Unreachable: {Connect, "The server cannot be reached.",
		"It is tried again by itself, and nothing is lost. " +
			"If it lasts, check the name of the server and the line."},
	mail.Insecure: {TLS, "The connection cannot be secured, so no password was sent.",
		"Check name and port of the server: imaps and pop3s begin with TLS, imap and pop3 switch to it. " +
			"If the provider has a new certificate, ask whether it is theirs; " +
			"one of your own is named by tls: {ca: FILE} or tls: {pin: SHA-256}."},
	mail.Auth: {Login, "The server refuses the user name or the password.",
		"Enter the password anew: a change is noticed by itself. " +
			"Until then it is seldom tried, so that the provider does not lock the account."},
	mail.Busy: {Busy, "The server asks to wait.",
		"Another program may have the maildrop open; it is tried again by itself."},
	mail.Protocol: {Protocol, "The server's answers make no sense.",
		"Check that the url has the right protocol and port. It is tried again by itself; " +
			"if it lasts, show the cause to the admin or to the provider."},
	mail.NoEnvelope: {Envelope, "There is mail of which nobody knows who it is for.",
		"Set multidrop.envelope to the field in which the provider writes the recipient, " +
			"or say with otherwise: who gets such mail."},
	mail.NoRecipient: {Recipient, "The local MTA refuses the configured recipient.",
		"Correct the recipient of this maildrop, or make the address known to the MTA. " +
			"Nothing was fetched, bounced or deleted."},
	mail.Local: {Local, "Something is wrong on this machine, so nothing is collected.",
		"The mail stays in the maildrop until it is mended. The cause says what to look at."},
}

// What is said where no single Trouble is behind it.
const (
	wrongCut = "The last session broke."
	adviseOn = "What came whole is here, and it goes on by itself."

	wrongLate  = "Nobody has visited the maildrop since it was due."
	adviseLate = "Other maildrops may take long, or the daemon has too few sessions: see limits.sessions."

	wrongEntry = "Its entry in the configuration has a mistake, so nothing is collected."

	wrongSick = "The next hop takes no mail; nothing is lost, it is tried again."
)

// Advice returns what can be done about a trouble of this kind, a sentence or two.
func Advice(k mail.Kind) string { return meaningOf(k).advice }

// meaningOf returns what a kind means; a kind of tomorrow is nonsense until this table knows it.
func meaningOf(k mail.Kind) meaning {
	if m, ok := meanings[k]; ok {
		return m
	}
	return meanings[mail.Protocol]
}

// lasting is how often in a row something may go wrong before it is more than late, or is shown at all.
const lasting = 3
