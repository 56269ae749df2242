package local

import (
	"context"
	"errors"
	"os"
	"syscall"

	"mailretr/store/mail"
)

// troubles says what an error of the system means. Everything that another hour, or an admin, can change is
// deferred: a full disk bounces nobody's mail. Of the lane are only those that meet every mailbox alike.
var troubles = []struct {
	is       syscall.Errno
	outcome  mail.Outcome
	scope    mail.Scope
	enhanced string // RFC 3463
	reply    string
}{
	{syscall.EDQUOT, mail.Deferred, mail.OfRecipient, "4.2.2", "452 4.2.2 the mailbox is over its quota"},
	{syscall.EFBIG, mail.Deferred, mail.OfRecipient, "4.2.2", "452 4.2.2 the mailbox is as large as a file can be"},
	{syscall.ENOSPC, mail.Deferred, mail.OfRecipient, "4.3.1", "452 4.3.1 the disk of the mailbox is full"},
	{syscall.EROFS, mail.Deferred, mail.OfRecipient, "4.2.1", "452 4.2.1 the disk of the mailbox cannot be written"},
	{syscall.EIO, mail.Deferred, mail.OfRecipient, "4.3.0", "451 4.3.0 the disk of the mailbox has an error"},
	{syscall.ESTALE, mail.Deferred, mail.OfRecipient, "4.3.0", "451 4.3.0 the disk of the mailbox is away"},
	{syscall.EACCES, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox may not be written"},
	{syscall.EPERM, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox may not be written"},
	{syscall.ELOOP, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox is a link"},
	{syscall.ENOTDIR, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox is not what it should be"},
	{syscall.EISDIR, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox is not what it should be"},
	{syscall.ENOENT, mail.Deferred, mail.OfRecipient, "4.2.1", "451 4.2.1 the mailbox is not there"},
	{syscall.ENAMETOOLONG, mail.Failed, mail.OfRecipient, "5.1.1", "550 5.1.1 there is no mailbox for this address"},
	{syscall.EMFILE, mail.Deferred, mail.OfLane, "4.3.2", "451 4.3.2 too many files are open here"},
	{syscall.ENFILE, mail.Deferred, mail.OfLane, "4.3.2", "451 4.3.2 too many files are open here"},
	{syscall.ENOMEM, mail.Deferred, mail.OfLane, "4.3.2", "451 4.3.2 memory is short here"},
	{syscall.EAGAIN, mail.Deferred, mail.OfLane, "4.3.2", "451 4.3.2 too much is going on here"},
}

// resultOf says what an error means for a recipient. The texts may come into a bounce, so they name no
// paths; the error itself stays with us.
func resultOf(err error) mail.Result {
	var r *refusal
	var s *source
	switch {
	case errors.As(err, &r):
		return r.x
	case errors.As(err, &s), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return mail.Result{Err: err} // nothing was said
	}
	for _, t := range troubles {
		if errors.Is(err, t.is) {
			return mail.Result{Outcome: t.outcome, Scope: t.scope, Enhanced: t.enhanced, Reply: t.reply, Err: err}
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return mail.Result{Enhanced: "4.2.1", Reply: "451 4.2.1 the mailbox may not be written", Err: err}
	}
	return mail.Result{Enhanced: "4.3.0", Reply: "451 4.3.0 the mailbox cannot be written now", Err: err}
}
