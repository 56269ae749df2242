package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"mailretr/relay/flag"
	"mailretr/relay/imapconn"
	"mailretr/relay/utf7"
	"mailretr/store/mail"
)

const (
	// answer is how long the server may take for what is no message.
	answer = 2 * time.Minute
	// chatter is how many octets a server may say before an answer.
	chatter = 128 << 10
	// inMemory is up to which size, in octets, a message is read before the server is told of it: its true size is
	// known then, and a content that cannot be read costs no connection.
	inMemory = 1 << 20
	// unasked is up to which size, in octets, a message follows its command at once where the server takes that
	// (LITERAL+, RFC 7888): a refusal costs that much, a round trip is spared.
	unasked = 64 << 10
)

// An attempt is one message on its way into a folder.
type attempt struct {
	*Client
	m         *mail.Message
	ctx, late context.Context // before and after the last octet
	folder    string
	content   *content // nil: not yet opened
	reused    bool     // the connection was there before
	begun     bool     // octets of the message were sent
	sent      bool     // the last of them may have left
}

// run makes the attempt. A kept connection that turns out to be dead is replaced, once: where the message may have been
// taken all the same, it is looked for first.
func (a *attempt) run() mail.Result {
	if !a.forSomebody() {
		return mail.Result{}
	}
	defer func() {
		if a.content != nil {
			a.content.Close()
		}
	}()
	x := a.once()
	dead := a.reused && a.conn == nil && x.Scope == mail.OfMessage && x.Reply == "" && !errors.Is(x.Err, os.ErrDeadlineExceeded)
	if dead && (!a.begun || a.content.small != nil) {
		x = a.once()
	}
	return x
}

func (a *attempt) forSomebody() bool {
	for _, r := range a.m.Envelope.Recipients {
		if r.Forward.CheckForward() == nil {
			return true
		}
	}
	return false
}

func (a *attempt) once() mail.Result {
	if x, ok := a.enter(); !ok {
		return x
	}
	stop := a.conn.Watch(a.ctx)
	defer func() { stop() }()
	a.conn.SetIdle(answer)
	a.folder = a.o.Folder
	if a.o.Of != nil {
		if theirs := a.o.Of(a.m); theirs != "" {
			names, err := a.places()
			if err != nil {
				return a.failed(mail.OpList, err)
			}
			a.folder = names.name(theirs)
		}
	}
	if err := imapconn.Clean("folder name", a.folder); err != nil {
		return mail.Result{Err: err}
	}
	if a.doubtful() {
		there, err := a.there()
		if err != nil {
			return a.failed(mail.OpList, err)
		}
		if there {
			return mail.Result{Outcome: mail.Delivered, After: mail.OpDot, Reply: "it is in the folder already"}
		}
	}
	if a.content == nil {
		c, err := a.open()
		if err != nil {
			return mail.Result{Err: err, After: mail.OpData} // ours: the server knows nothing of it
		}
		a.content = c
	}
	if x, ok := a.fits(a.content.size); !ok {
		return x
	}
	return a.append(&stop)
}

// enter gets a connection. Not ok: the result says why there is none.
func (a *attempt) enter() (x mail.Result, ok bool) {
	if err := a.ctx.Err(); err != nil {
		return mail.Result{Scope: mail.OfSession, Err: context.Cause(a.ctx)}, false
	}
	var err error
	if a.reused, err = a.session(a.ctx); err != nil {
		return a.failed(mail.OpLogin, err), false
	}
	return mail.Result{}, true
}

// fits says whether the server takes a message of so many octets, as far as it has said (RFC 7889).
func (a *attempt) fits(size int64) (x mail.Result, ok bool) {
	for _, c := range a.conn.Caps {
		limit, found := strings.CutPrefix(strings.ToUpper(c), "APPENDLIMIT=")
		if n, err := strconv.ParseInt(limit, 10, 64); found && err == nil && size > n {
			return mail.Result{Outcome: mail.Failed, Scope: mail.OfMessage, Enhanced: "5.3.4", After: mail.OpData,
				Err: fmt.Errorf("the message has %d octets, the server takes %d at most", size, n)}, false
		}
	}
	return mail.Result{}, true
}

// doubtful says whether the message may be in the folder already.
func (a *attempt) doubtful() bool {
	return a.sent || a.m.Attempts > 0 || a.m.Queued.Before(a.o.Since)
}

// there looks for the message in its folder: by the id that our trace has put into it, or, without a trace, by its own
// id and its size.
func (a *attempt) there() (bool, error) {
	header, err := a.m.Content.Header(a.ctx)
	if err != nil {
		return false, nil // it cannot be sent either, and says so then
	}
	key := ""
	switch id := a.m.ID.String(); {
	case bytes.Contains(header, []byte("id "+id)):
		key = "HEADER RECEIVED " + imapconn.Quote("id "+id)
	default:
		own, size := messageID(header), a.m.Content.Size()
		if own == "" || size < 1 {
			return false, nil
		}
		key = fmt.Sprintf("HEADER MESSAGE-ID %s LARGER %d SMALLER %d", imapconn.Quote(own), size-1, size+1)
	}
	// The folder may not be there; what is selected then does not matter. A server that only cannot say now is asked
	// again: the message may be in it.
	r, err := a.command(mail.OpList, "EXAMINE "+a.quoted(), nil)
	if err == nil && r.Word != "OK" {
		if t := imapconn.Judge(mail.OpList, a.o.Dial.Address, r); t.Kind == mail.Busy {
			return false, t
		}
	}
	if err != nil || r.Word != "OK" {
		return false, err
	}
	found := false
	r, err = a.command(mail.OpList, "UID SEARCH "+key, func(said string) {
		word, rest, _ := strings.Cut(said, " ")
		found = found || strings.EqualFold(word, "SEARCH") && strings.TrimSpace(rest) != ""
	})
	if err == nil && r.Word != "OK" {
		err = imapconn.Judge(mail.OpList, a.o.Dial.Address, r)
	}
	return found, err
}

// messageID returns the value of the Message-ID field, "" where there is none that can be asked for.
func messageID(header []byte) string {
	const field = "message-id:"
	for line := range bytes.Lines(header) {
		if len(line) < len(field) || !strings.EqualFold(string(line[:len(field)]), field) {
			continue
		}
		id := strings.TrimSpace(string(line[len(field):]))
		for i := range len(id) {
			if id[i] < ' ' || id[i] > '~' {
				return ""
			}
		}
		if len(id) <= 500 {
			return id
		}
	}
	return ""
}

func (a *attempt) quoted() string { return imapconn.Quote(utf7.Encode(a.folder)) }

// command sends a command and takes its answer.
func (a *attempt) command(op mail.Op, text string, untagged func(string)) (imapconn.Reply, error) {
	if err := a.conn.Send(op, text); err != nil {
		return imapconn.Reply{}, err
	}
	return a.conn.Until(op, false, chatter, untagged)
}

// append sends the message, once more where the folder had to be made first. A large one that the server has read
// before it said so finds the folder there next time. stop ends the watch of the context for what comes before the last
// octet.
func (a *attempt) append(stop *func()) mail.Result {
	r, x := a.send(stop)
	if r.Word != "NO" || r.Code != "TRYCREATE" {
		return x
	}
	made, err := a.command(mail.OpData, "CREATE "+a.quoted(), nil)
	switch {
	case err != nil:
		return a.failed(mail.OpData, err)
	case made.Word != "OK":
		return a.said(made)
	case a.begun && a.content.small == nil:
		x.Scope = mail.OfMessage
		return x
	}
	a.begun, a.sent = false, false
	_, x = a.send(stop)
	return x
}

// send makes one APPEND. The reply is that to it, if there was one.
func (a *attempt) send(stop *func()) (imapconn.Reply, mail.Result) {
	r, err := a.offer()
	switch {
	case err != nil:
		return r, a.failed(mail.OpData, err)
	case r.Tag != "+" && r.Word == "OK":
		return r, a.failed(mail.OpData, errEarly)
	case r.Tag != "+":
		return r, a.said(r)
	}
	if err := a.octets(stop); err != nil {
		return r, a.failed(mail.OpBody, err)
	}
	// The idle time begins anew with each line of chatter; this one does not.
	conn := a.conn
	whole := time.AfterFunc(a.o.Reply, func() { conn.Abort(os.ErrDeadlineExceeded) })
	defer whole.Stop()
	if r, err = a.conn.Until(mail.OpDot, false, chatter, nil); err != nil {
		return r, a.failed(mail.OpDot, err)
	}
	return r, a.said(r)
}

// offer sends the command. A reply with the tag "+" says that the octets may follow.
func (a *attempt) offer() (imapconn.Reply, error) {
	date := a.m.Origin.Date
	if date.IsZero() {
		date = a.m.Queued
	}
	at := ""
	if !date.IsZero() && date.Year() > 0 && date.Year() < 10000 {
		at = date.Format(`"_2-Jan-2006 15:04:05 -0700" `)
	}
	size := a.content.size
	plus := size <= unasked && a.conn.Unasked(size)
	mark := ""
	if plus {
		mark = "+"
	}
	command := fmt.Sprintf("APPEND %s (%s) %s{%d%s}", a.quoted(), strings.Join(a.flags(), " "), at, size, mark)
	if err := a.conn.Send(mail.OpData, command); err != nil {
		return imapconn.Reply{}, err
	}
	if plus {
		return imapconn.Reply{Tag: "+"}, nil
	}
	return a.conn.Until(mail.OpData, true, chatter, nil)
}

// flags are those that the message is given, each once.
func (a *attempt) flags() (list []string) {
	seen := map[string]bool{}
	all := a.o.Flags
	if a.o.Keep {
		all = append(all[:len(all):len(all)], a.m.Origin.Flags...)
	}
	for _, f := range all {
		if k := strings.ToLower(f); flag.Given(f) && !seen[k] && len(list) < 50 {
			seen[k] = true
			list = append(list, f)
		}
	}
	return list
}

// octets sends the message. The last of them leave only when the whole content was read and has the size that was
// told: until then the literal is not complete, and a cut is all that the server sees.
func (a *attempt) octets(stop *func()) error {
	c := a.content.reader()
	a.begun = true
	a.conn.Data(true)
	defer a.conn.Data(false)
	buf := make([]byte, 32<<10)
	for left := a.content.size; ; {
		part := buf[:min(left, int64(len(buf)))]
		if _, err := io.ReadFull(c, part); err != nil {
			return errContent{err}
		}
		if left -= int64(len(part)); left > 0 {
			if _, err := a.conn.Write(part); err != nil {
				return err
			}
			continue
		}
		switch _, err := io.ReadFull(c, make([]byte, 1)); err {
		case io.EOF:
			return a.finish(part, stop)
		case nil:
			return errContent{errSize}
		default:
			return errContent{err}
		}
	}
}

// finish sends what is left, and the end of the command. From here on the attempt waits for an answer.
func (a *attempt) finish(last []byte, stop *func()) error {
	(*stop)()
	if err := context.Cause(a.ctx); err != nil {
		return err // what watched may have begun to cut: an answer might not be heard
	}
	*stop = a.conn.WatchAfter(a.late, a.o.Grace)
	if _, err := a.conn.Write(last); err != nil {
		return err
	}
	a.sent = true
	if _, err := a.conn.Write([]byte("\r\n")); err != nil {
		return err
	}
	a.conn.SetIdle(a.o.Reply)
	return a.conn.Flush()
}

// errEarly is an answer to nothing: only OK to the octets is a promise.
var errEarly = errors.New("the server took the message before it was sent")

var errSize = errors.New("the message is larger than was announced")

// errContent marks a failure of ours: the content could not be read.
type errContent struct{ error }

func (e errContent) Unwrap() error { return e.error }
