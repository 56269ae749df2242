package status

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"mailretr/store/mail"
)

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
		"Enter the password anew. " + adviseSeldom},
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
	mail.Spent: {Budget, "A budget of the line is spent, so nothing is collected for now.",
		"It goes on by itself when the next day, or month, of the budget begins: mailretr status --traffic. " +
			"To collect in spite of it: mailretr poll --over-budget."},
}

// What is said where no single Trouble is behind it.
const (
	wrongCut = "The last session broke."
	adviseOn = "What came whole is here, and it goes on by itself."

	wrongLate  = "Nobody has visited the maildrop since it was due."
	adviseLate = "Other maildrops may take long, or the daemon has too few sessions: see limits.sessions."

	wrongEntry = "Its entry in the configuration has a mistake, so nothing is collected."

	// That it is seldom tried has to be known in any case.
	adviseSeldom = "A change is noticed by itself. " +
		"Until then it is seldom tried, so that the provider does not lock the account."
	wrongWaits = "Mail waits in the maildrop because a budget of the line has no room for it."

	wordsOK    = "Mail is collected."
	wordsNever = "It was not visited yet."
	wordsPause = "It is paused: nothing is collected until somebody resumes it."
	wordsOwner = "Its owner has paused it: nothing is collected until he, or an admin, resumes it."

	wrongSick = "The next hop takes no mail; nothing is lost, it is tried again."
)

// Advice returns what can be done about a trouble, a sentence or two: its own hint, what its cause says, or what goes
// for its kind.
func Advice(t *mail.Trouble) string {
	general := meaningOf(t.Kind).advice
	var known interface{ Advice() string }
	switch special := secured(t.Err); {
	case t.Kind == mail.Local && errors.As(t.Err, &known): // what is wrong here knows better than who met with it
		return known.Advice()
	case t.Kind == mail.Auth && strings.Contains(t.Hint, "mailretr login"): // there is no password
		return sentence(t.Hint) + " " + adviseSeldom
	case t.Hint != "" && t.Kind == mail.Auth:
		return sentence(t.Hint) + " " + general
	case t.Hint != "":
		return t.Hint
	case special != "":
		return special
	case errors.As(t.Err, &known): // as for wrongOf
		return known.Advice()
	}
	return general
}

// sentence is a hint to which another one is added.
func sentence(hint string) string {
	if strings.HasSuffix(hint, ".") {
		return hint
	}
	return hint + "."
}

// wrongOf says what is wrong: what the cause says of itself, by a method Wrong() string, or what goes for the kind.
func wrongOf(t *mail.Trouble, general string) string {
	var known interface{ Wrong() string }
	if errors.As(t.Err, &known) {
		return known.Wrong()
	}
	return general
}

// secured says what to do about a handshake that failed; "" for what it does not know.
func secured(err error) string {
	var plain tls.RecordHeaderError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &plain):
		return "This port does not begin with TLS: write imap:// or pop3:// in the url, which switch to TLS, or use " +
			"the port for TLS (993 for imaps, 995 for pop3s)."
	case errors.As(err, &name):
		return "The certificate is for another name: write the name that the provider gives for this server into the url."
	case errors.As(err, &unknown):
		return "A server of your own is trusted by tls: {ca: FILE} or tls: {pin: SHA-256}. If it is the provider's, " +
			"somebody on the line may pretend to be it: ask them for the SHA-256 of its certificate."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate's time is over, or the clock of this machine is wrong. Only the provider can renew it."
	}
	return ""
}

// meaningOf returns what a kind means; a kind of tomorrow is nonsense until this table knows it.
func meaningOf(k mail.Kind) meaning {
	if m, ok := meanings[k]; ok {
		return m
	}
	return meanings[mail.Protocol]
}

// lasting is how often in a row something may go wrong before it is more than late, or is shown at all.
const lasting = 3

// words says how a maildrop is, in a sentence.
func (s *Status) words() string {
	switch {
	case s.State == Pause:
		if s.ByOwner {
			return wordsOwner
		}
		return wordsPause
	case s.State == Never:
		return wordsNever
	case s.Wrong != "":
		return s.Wrong
	}
	return wordsOK
}
