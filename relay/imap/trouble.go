package imap

import (
	"context"
	"errors"

	"mailretr/relay/imapconn"
	"mailretr/store/mail"
)

// said says what the answer to APPEND means.
//
//	OK                                    delivered
//	NO [TOOBIG]                           failed: no other attempt will do better
//	NO [OVERQUOTA], [LIMIT], [INUSE] …    deferred
//	NO [NOPERM], [NONEXISTENT] …          deferred, and the lane is sick: the configuration is wrong, or our rights; but
//	                                      only in the folder of the configuration
//	NO without a code, BAD, nonsense      deferred
func (a *attempt) said(r imapconn.Reply) mail.Result {
	x := mail.Result{Scope: mail.OfMessage, Reply: r.String(), After: mail.OpDot}
	if r.Word == "OK" {
		return mail.Result{Outcome: mail.Delivered, Reply: r.String(), After: mail.OpDot}
	}
	switch r.Code {
	case "TOOBIG":
		x.Outcome, x.Enhanced = mail.Failed, "5.3.4"
	case "OVERQUOTA":
		x.Enhanced = "4.2.2"
	case "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN", "NOPERM",
		"NONEXISTENT", "TRYCREATE", "CANNOT":
		if a.folder == a.o.Folder { // one that was chosen for this message says nothing of others
			x.Scope = mail.OfLane
		}
	}
	if r.Word != "NO" {
		a.drop(nil) // what it makes of the octets that follow is unknown
	}
	return x
}

// failed says what an error means. The connection is of no use afterwards.
func (a *attempt) failed(op mail.Op, err error) mail.Result {
	t := mail.TroubleOf(op, a.o.Dial.Address, err)
	a.drop(err)
	var ours errContent
	switch {
	case errors.As(err, &ours):
		return mail.Result{Err: ours.error, After: op}
	case a.sent:
		a.tell(t, "the answer was lost: the message may be in the folder, and is looked for there next time")
		return mail.Result{Scope: mail.OfMessage, Err: t, Reply: t.Reply, After: mail.OpDot}
	case a.ctx.Err() != nil:
		return mail.Result{Scope: mail.OfSession, Err: context.Cause(a.ctx), After: op}
	case op == mail.OpLogin:
		a.tell(t, "")
		return mail.Result{Scope: mail.OfLane, Err: t, Reply: t.Reply, After: t.Op}
	}
	return mail.Result{Scope: mail.OfMessage, Err: t, Reply: t.Reply, After: op}
}

func (a *attempt) tell(t *mail.Trouble, text string) {
	if a.o.Observe != nil {
		a.o.Observe.Observe(mail.Event{At: a.o.Now(), Op: t.Op, ID: a.m.ID, Lane: a.o.Name, Relay: a.o.Dial.Address,
			Err: t, Reply: t.Reply, Text: text, Alarm: t.Kind == mail.Auth || t.Kind == mail.Insecure})
	}
}
