// Package fetchmailrc reads the run control file of fetchmail and makes a configuration of it.
//
// It knows the whole grammar of fetchmail 6.4: the defaults entry, poll and skip, options of servers and users, set,
// several users of a server, `user X there is Y here` in all its orders, local names that make a maildrop one of many,
// C escapes, noise words and punctuation. It promises that nothing is lost in silence: whatever has no equal here is
// noted with its place and a reason, and so is what is not quite the same. A mistake in one entry leaves the others.
//
// It leaves to [conf.Config.Validate] whether the result can be used, to conf/yaml how it is written, and reads no other
// file: passwords from .netrc or a terminal are noted as missing.
//
// What is read is hostile: file, entries, words and notes are bounded, and time is linear in the file.
//
// Read [Import] first, then [Parse].
package fetchmailrc
