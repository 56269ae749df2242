package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"

	gosmtp "github.com/emersion/go-smtp"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// errContent marks a failure of ours: the content could not be read.
type errContent struct{ error }

func (e errContent) Unwrap() error { return e.error }

// mine says whether the failure is not the server's.
func (a *attempt) mine(f *failure) bool {
	var c errContent
	return errors.As(f.err, &c)
}

// run makes one transaction and fills the report for all of todo. The failure it returns is the one that
// ended the transaction early, nil where it came to its end or was ended by replies to RCPT. ctx is for what comes
// before the final dot, late for what comes after.
func (a *attempt) run(ctx, late context.Context, s *session) *failure {
	stop := s.Watch(ctx)
	defer func() { stop() }()
	ready, f := a.mail(ctx, s)
	if f != nil {
		a.fail(ctx, ready, f)
		return f
	}
	if len(ready) == 0 {
		return nil
	}
	accepted, asked, f := a.recipients(s, ready)
	if f != nil {
		a.fail(ctx, ready[asked:], f)
		a.fail(ctx, accepted, f)
		return f
	}
	a.taken = len(accepted) > 0
	if a.probe || len(accepted) == 0 {
		return nil
	}
	w, f := a.begin(ctx, s)
	if f == nil {
		f = a.octets(s, w)
	}
	if f != nil {
		a.fail(ctx, accepted, f)
		return f
	}
	if stop(); ctx.Err() != nil { // the watch may have begun to cut: a dot now would have no answer
		f := &failure{op: mail.OpBody, host: s.host, err: context.Cause(ctx)}
		s.Abort(f.err)
		a.fail(ctx, accepted, f)
		return f
	}
	stop = s.WatchAfter(late, s.times.Grace)
	return a.end(late, s, w, accepted)
}

// mail says MAIL. It returns those who can be asked at this server; the others have failed.
func (a *attempt) mail(ctx context.Context, s *session) ([]int, *failure) {
	size := a.m.Content.Size()
	if limit, ok := s.smtp.MaxMessageSize(); ok && limit > 0 && size > int64(limit) {
		a.all(a.refuse(s, "5.3.4", mail.OfMessage, fmt.Errorf(
			"the message has %d octets, the server takes %d at most", size, limit)))
		return nil, nil
	}
	ready := a.todo
	if utf8, _ := s.smtp.Extension("SMTPUTF8"); !utf8 {
		if !a.m.Envelope.Reverse.ASCII() {
			a.all(a.refuse(s, "5.6.7", mail.OfMessage, errUTF8))
			return nil, nil
		}
		ready = a.ascii(s)
	}
	if len(ready) == 0 {
		return nil, nil
	}
	ready = a.few(s, ready)
	s.SetIdle(s.times.Command)
	a.ahead(ctx, s, ready)
	if err := s.smtp.Mail(string(a.m.Envelope.Reverse), a.params(s)); err != nil {
		return ready, s.failed(mail.OpMail, s.last(), err)
	}
	a.open = true
	return ready, nil
}

// params are those of MAIL at this server.
func (a *attempt) params(s *session) *gosmtp.MailOptions {
	o := params(&a.m.Envelope, a.m.Content.Size())
	utf8, _ := s.smtp.Extension("SMTPUTF8")
	o.UTF8 = utf8 && a.international(a.todo)
	return o
}

var errUTF8 = errors.New("the address is not ASCII, and the server does not offer SMTPUTF8")

func (a *attempt) refuse(s *session, enhanced string, scope mail.Scope, err error) mail.Result {
	return mail.Result{Outcome: mail.Failed, Scope: scope, Enhanced: enhanced, RemoteMTA: s.host, Err: err,
		After: mail.OpMail}
}

func (a *attempt) international(who []int) bool {
	utf8 := !a.m.Envelope.Reverse.ASCII()
	for _, i := range who {
		utf8 = utf8 || !a.m.Envelope.Recipients[i].Forward.ASCII()
	}
	return utf8
}

// ascii returns those who can be asked without SMTPUTF8.
func (a *attempt) ascii(s *session) (ready []int) {
	for _, i := range a.todo {
		if a.m.Envelope.Recipients[i].Forward.ASCII() {
			ready = append(ready, i)
		} else {
			a.each([]int{i}, a.refuse(s, "5.6.7", mail.OfRecipient, errUTF8))
		}
	}
	return ready
}

// recipients says RCPT for each of ready. Those who are refused have their result then; accepted are the
// others. asked is how many were asked: after a failure, or because the server takes no more in this
// transaction.
func (a *attempt) recipients(s *session, ready []int) (accepted []int, asked int, f *failure) {
	for n, i := range ready {
		r := &a.m.Envelope.Recipients[i]
		err := s.smtp.Rcpt(string(r.Forward), rcptParams(r))
		if err == nil && s.last().code/10 == 25 { // not one that was cut in the middle
			accepted = append(accepted, i)
			if a.probe {
				a.each([]int{i}, s.accepts(mail.OpRcpt, s.last()))
			}
			continue
		}
		f := s.failed(mail.OpRcpt, s.last(), err)
		x := a.result(f, len(accepted) > 0)
		if f.reply.over() || x.Scope == mail.OfLane {
			return accepted, n, f
		}
		if x.Scope == mail.OfSession {
			a.full(s, len(accepted))
			if len(s.sent) == 0 { // else the others were asked already
				a.each(ready[n:], x)
				return accepted, n, nil
			}
		}
		a.each([]int{i}, x)
	}
	return accepted, len(ready), nil
}

// accepts is the result of a recipient that is taken.
func (s *session) accepts(op mail.Op, r reply) mail.Result {
	return mail.Result{Outcome: mail.Delivered, Enhanced: r.enhanced, Reply: r.text, RemoteMTA: s.host,
		After: op}
}

// custody says who reports the success of what was taken: LMTP is a final delivery, and a server that offers DSN was given
// what the sender asked for (RFC 3461, 5.2.3).
func (a *attempt) custody(s *session) mail.Custody {
	if a.c.o.LMTP {
		return mail.Final
	}
	if dsn, _ := s.smtp.Extension("DSN"); dsn {
		return mail.Reports
	}
	return mail.Relayed
}

// begin opens the content and says DATA. The content comes first: a message that cannot be read needs no
// transaction that can only be ended by a cut.
func (a *attempt) begin(ctx context.Context, s *session) (*gosmtp.DataCommand, *failure) {
	if a.body == nil {
		body, err := a.m.Content.Open(ctx)
		if err != nil {
			return nil, &failure{op: mail.OpData, host: s.host, err: errContent{err}}
		}
		a.body = body
	}
	s.SetIdle(s.times.Data)
	w, err := s.smtp.Data()
	if err != nil {
		return nil, s.failed(mail.OpData, s.last(), err)
	}
	a.open = false // only the final dot ends it now
	return w, nil
}

// octets sends the message without its last line end.
func (a *attempt) octets(s *session, w *gosmtp.DataCommand) *failure {
	s.SetIdle(s.times.Block)
	s.Data(true)
	defer s.Data(false)
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	d := &dots{w: s.Conn, out: s.out}
	defer func() { s.out = d.out }()
	for {
		n, err := a.body.Read(s.buf)
		a.read = a.read || n > 0
		if n > 0 {
			if _, err := d.Write(s.buf[:n]); err != nil {
				return s.spoke(err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return &failure{op: mail.OpBody, host: s.host, err: errContent{err}}
		}
		if n < len(s.buf) {
			continue
		}
		if err := s.Alive(); err != nil { // a big message, and it may know already that it is too big
			return s.spoke(err)
		}
	}
	if err := d.end(); err != nil {
		return s.spoke(err)
	}
	if err := s.Alive(); err != nil {
		return s.spoke(err)
	}
	return nil
}

// spoke makes a failure of a server that could not take the octets, or said something before the final
// dot. Its refusal counts, anything else it may have said does not. The connection is over: there is no
// way to end the message.
func (s *session) spoke(err error) *failure {
	s.Data(false)
	s.Gate(wire.Replies)
	r, heard := s.hear()
	if heard != nil || r.code < 400 || r.code > 599 {
		return &failure{op: mail.OpBody, host: s.host, err: err}
	}
	return &failure{op: mail.OpBody, reply: r, host: s.host, err: err}
}

// end sends the final dot and gives the accepted ones what is said about it.
func (a *attempt) end(ctx context.Context, s *session, w *gosmtp.DataCommand, accepted []int) *failure {
	s.SetIdle(s.times.Dot)
	a.dot = true
	s.messages++
	var err error
	if a.c.o.LMTP {
		_, err = w.CloseWithLMTPResponse()
	} else {
		_, err = w.CloseWithResponse()
	}
	var worst *failure
	for n, i := range accepted {
		at := 0
		if a.c.o.LMTP {
			at = n
		}
		var r reply
		if at < len(s.replies) {
			r = s.replies[at]
		}
		if r.code == 250 && (err == nil || a.c.o.LMTP) {
			x := s.accepts(mail.OpDot, r)
			x.Custody = a.custody(s)
			a.each([]int{i}, x)
			continue
		}
		f := s.unsaid(r, err)
		a.each([]int{i}, a.result(f, false))
		if worst == nil || f.reply.over() {
			worst = f
		}
	}
	if worst != nil && worst.reply.code == 0 {
		a.c.observe(mail.Event{Op: mail.OpDot, ID: a.m.ID, Origin: a.m.Origin, From: a.m.Envelope.Reverse,
			Relay: s.host, Err: worst.err, Text: "no answer to the message: it may have been delivered"})
	}
	return worst
}

// unsaid is the failure of one recipient after the dot.
func (s *session) unsaid(r reply, err error) *failure {
	if r.code >= 400 && r.code <= 599 {
		return &failure{op: mail.OpDot, reply: r, host: s.host, err: errors.New(r.text)}
	}
	if err == nil || r.code != 0 {
		err = fmt.Errorf("%q is no answer to a message", r.text)
	}
	return &failure{op: mail.OpDot, host: s.host, err: err}
}

// reset takes back an open transaction; false says that the connection is on its way out instead.
func (a *attempt) reset(s *session) bool {
	a.open = false
	if s.resets++; s.resets >= s.mostResets {
		return true // QUIT takes it back as well
	}
	s.SetIdle(s.times.Command)
	if r, err := s.ask("RSET"); err != nil || r.code != 250 {
		a.c.drop(s)
		return false
	}
	return true
}
