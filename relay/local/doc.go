// Package local delivers on this machine: into a Maildir, into an mbox file, to a program.
//
// [NewMaildir], [NewMbox] and [NewCommand] make a [Client], which is a mail.Deliverer and a mail.Prober.
// [Filter] is no destination: it shows a message to a program on its way to one.
//
// It promises that what is reported as Delivered is on the disk, file and directory synced, or was taken by
// a program that ended with 0; that a mailbox which could not be written to its end is as long as before;
// that the octets are those of the message with LF for CRLF, behind a Delivered-To field for each
// recipient, and, in an mbox, with the quoting of mboxrd, which a reader can undo; and that nothing of an
// address, a header or a folder's name gets out of its place in a path, an argument or the environment.
// There is never a shell. Where mailretr runs as root, files are touched with the rights of the user to
// whom the mailbox belongs and with none of root's (see [who.do]), so that links in directories of a user
// lead no farther than the user could go, and a quota counts.
//
// A name in a Maildir is made of the queue id: what was delivered before a crash is known by it as long as
// it lies in new or cur. An mbox has no such names and a program tells nobody: a crash between the delivery
// and the commit of the queue delivers a second time there, and one while an mbox is being written leaves a
// message without its end.
//
// One message at a time goes into an mbox, and to the program of each user: see [Turns]. What comes to a mailbox that has
// been busy for a while is put off, so that it does not take the workers from the mail of others.
//
// It leaves to the queue when a deferred message is tried again, to package relay the Received and
// Return-Path fields, and to the admin the rights of directories.
//
// Not done here: the file maildirsize of Maildir++ (a quota of the file system is), and aliases or .forward
// files.
//
// RFC 3463 for codes; sysexits.h for programs; https://cr.yp.to/proto/maildir.html and the conventions of
// Maildir++ for names; RFC 4155 and mboxrd for mboxes; Debian Policy, 11.6, for locks.
//
// Read first: [Client.Deliver], then [maildir.put].
package local
