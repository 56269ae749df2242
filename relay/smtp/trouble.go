package smtp

import (
	"mailretr/store/mail"
)

// judge says what a reply means for the recipients it speaks of. code 0 is no reply: a cut, a time-out, or
// nonsense. others says that this transaction has accepted some recipient.
//
//	when                              4xx, no reply                     5xx
//	dial, TLS, greeting, EHLO, AUTH   deferred: they refuse us          the same: no mail fails because of it
//	530, 535, 538, 5.7.8 at any verb  the same                          the same
//	MAIL                              all deferred                      all failed
//	RCPT                              this one deferred                 this one failed
//	RCPT, too many, with others       not asked: the next transaction   the same (RFC 5321, 4.5.3.1.10)
//	DATA, the octets, the final dot   the accepted ones deferred        the accepted ones failed
//	the final dot of LMTP             this one deferred                 this one failed
//
// A reply that is neither, such as 250 to DATA, is nonsense, and so no reply.
func judge(op mail.Op, r reply, others, lmtp bool) (mail.Outcome, mail.Scope) {
	switch op {
	case mail.OpMail, mail.OpRcpt, mail.OpData, mail.OpBody, mail.OpDot:
	default:
		return mail.Deferred, mail.OfLane
	}
	if r.refusesUs() {
		return mail.Deferred, mail.OfLane
	}
	if op == mail.OpRcpt && r.tooMany() && others {
		return mail.Deferred, mail.OfSession
	}
	scope := mail.OfMessage
	if r.code != 0 && r.code != 421 && (op == mail.OpRcpt || op == mail.OpDot && lmtp) {
		scope = mail.OfRecipient
	}
	if r.code >= 500 && r.code <= 599 {
		return mail.Failed, scope
	}
	return mail.Deferred, scope
}

// refusesUs says whether the reply is about who we are: authentication (RFC 4954, 6).
func (r reply) refusesUs() bool {
	return r.code == 530 || r.code == 535 || r.code == 538 || r.code >= 400 && r.enhanced == "5.7.8"
}

// tooMany says whether the reply is about the number of recipients: 452, or 552 from a server of the time
// before, or any with X.5.3. Another enhanced code says something else, a full mailbox for instance.
func (r reply) tooMany() bool {
	switch r.enhanced {
	case "4.5.3", "5.5.3":
		return r.code >= 400
	case "":
		return r.code == 452 || r.code == 552
	}
	return false
}

// over says whether the connection is of no use after this reply: the server is closing it (421), or what
// it says is no answer.
func (r reply) over() bool { return r.code == 421 || r.code < 400 || r.code > 599 }
