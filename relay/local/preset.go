package local

// A Preset is how a program that many have is called.
type Preset struct {
	Argv []string // template
	// Final says that the program puts mail into a mailbox: Return-Path and Delivered-To belong in front. A
	// program that sends it on adds its own.
	Final bool
}

// Presets are the known programs, by name.
var Presets = map[string]Preset{
	"sendmail": {Argv: []string{"/usr/sbin/sendmail", "-i", "-f", "{sender|<>}", "--", "{recipient}"}},
	// -t: what procmail cannot do now is tried again and not bounced. -Y: it leaves Content-Length alone.
	"procmail": {Argv: []string{"/usr/bin/procmail", "-t", "-Y", "-f", "{sender|MAILER-DAEMON}", "-a", "{extension}", "-d", "{local}"},
		Final: true},
	"maildrop": {Argv: []string{"/usr/bin/maildrop", "-f", "{sender|<>}", "-d", "{local}"}, Final: true},
	"dovecot-lda": {Argv: []string{"/usr/lib/dovecot/dovecot-lda", "-f", "{sender|<>}", "-a", "{recipient}", "-d", "{recipient}"},
		Final: true},
}
