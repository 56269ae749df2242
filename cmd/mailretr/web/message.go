package web

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"mailretr/bounce"
	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// A waiting is a message that waits here to be delivered, or is held.
type waiting struct {
	control.Message
	Subject      string // "": it is not shown
	Sentence     string // why it waits
	Said         string // the words of the next hop
	Since, Again moment
	Ends         moment
	Verbs        []button
	To           []string
}

// A button does something to one message.
type button struct {
	Verb    control.Verb
	Text    string
	Danger  bool
	Confirm string // what is asked before; "": nothing
}

const (
	// maxWaiting is how many messages the page of a maildrop shows.
	maxWaiting = 50
	// looking is how long the queue is looked through for them: it may be very long.
	looking = 3 * time.Second
)

// waits are the messages of a maildrop, those that were queued first; more says that there are others.
func (v *visit) waits(name string) (all []waiting, more bool, err error) {
	t, err := v.House.Engine.Totals(v.r.Context())
	if err != nil || t.Messages == 0 {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), looking)
	defer cancel()
	if !v.turns.take(ctx) {
		return nil, true, nil
	}
	defer v.turns.done()
	q := control.ListRequest{Select: control.Select{Maildrop: name}}
	for m, err := range v.client.List(ctx, q) {
		switch {
		case err != nil && ctx.Err() != nil && v.r.Context().Err() == nil:
			return all, true, nil
		case err != nil:
			return nil, false, err
		case len(all) == maxWaiting:
			return all, true, nil
		}
		w := v.waiting(&m)
		if v.web.Subjects || v.who.Admin {
			w.Subject = bounce.Subject(v.header(m.ID))
		}
		all = append(all, w)
	}
	return all, false, nil
}

// turns bound how many look through the whole queue at once: it may be long, and deliveries need the disk more.
type turns struct {
	once sync.Once
	room chan struct{}
}

const looks = 4

// take waits for a turn; false: none came in time.
func (t *turns) take(ctx context.Context) bool {
	t.once.Do(func() { t.room = make(chan struct{}, looks) })
	select {
	case t.room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *turns) done() { <-t.room }

// waiting says of a message why it waits.
func (v *visit) waiting(m *control.Message) waiting {
	w := waiting{Message: *m, Since: v.moment(m.Queued), Again: v.future(m.Due), Ends: v.moment(m.Expires),
		Verbs: v.verbs(m)}
	for _, r := range m.Recipients {
		if w.Said == "" {
			w.Said = r.Reason
		}
		w.To = append(w.To, r.Address)
	}
	t := v.texts
	switch m.State {
	case control.Held:
		w.Sentence, w.Said, w.Again = t.first("hold."+m.Hold, "hold.other"), m.Why, moment{}
	case control.Active:
		w.Sentence, w.Again = t.get("waits.active"), moment{}
	case control.Reporting:
		w.Sentence = t.get("waits.reporting")
	case control.Deferred:
		w.Sentence = t.get("waits.deferred", counted(m.Attempts, "attempt"))
		if m.Attempts == 0 { // the destination was away before anybody spoke of this message
			w.Sentence = t.get("waits.away")
		}
	default:
		w.Sentence = t.get("waits.queued")
	}
	return w
}

// ownerReleases are the kinds of hold that an owner may end: those that no admin has asked for, and that do no harm to
// others.
var ownerReleases = []string{"crash", "mute", "misconfigured", "restored", "kept"}

// verbs are what somebody may do to a message on the page of a maildrop.
func (v *visit) verbs(m *control.Message) (all []button) {
	own := slices.Contains(ownerReleases, m.Hold)
	button := func(verb control.Verb, danger bool) {
		b := button{Verb: verb, Text: v.texts.get("verb." + string(verb)), Danger: danger}
		if danger {
			b.Confirm = v.texts.get("confirm." + string(verb))
		}
		all = append(all, b)
	}
	switch {
	case m.State == control.Held && (own || v.who.Admin):
		button(control.Release, false)
	case v.who.Admin && m.State != control.Held:
		button(control.Retry, false)
		button(control.Hold, false)
	}
	if v.who.Admin {
		button(control.Bounce, true)
	}
	if m.State == control.Held && own || v.who.Admin {
		button(control.Remove, true)
	}
	return all
}

// header is the header section of a message, 64 KiB of it at most; nil where it cannot be read now.
func (v *visit) header(id string) []byte {
	r, err := v.client.Cat(v.r.Context(), id, true)
	if err != nil {
		return nil
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil
	}
	return b
}

// changeOne does something to one message of a maildrop. What cannot be undone is asked about first.
func changeOne(v *visit) error {
	name, id, verb := v.r.PostFormValue("name"), v.r.PostFormValue("id"), control.Verb(v.r.PostFormValue("verb"))
	if _, err := mail.ParseID(id); err != nil || !v.owns(name) {
		return errNotThere
	}
	m, err := v.client.Show(v.r.Context(), id)
	if err != nil {
		return err
	}
	if m.Maildrop != name {
		return errNotThere
	}
	i := slices.IndexFunc(v.verbs(&m), func(b button) bool { return b.Verb == verb })
	if i < 0 {
		return &fault{http.StatusConflict, "verb.notnow"}
	}
	b := v.verbs(&m)[i]
	if b.Confirm != "" && v.r.PostFormValue("sure") == "" {
		v.show(http.StatusOK, "sure", v.texts.get("sure.title"), sure{Ask: b.Confirm, Button: b, Message: v.waiting(&m),
			Fields: [][2]string{{"name", name}, {"id", id}, {"verb", string(verb)}, {"back", dropURL(name)}},
			Action: "/message", Back: dropURL(name)})
		return nil
	}
	q := control.ChangeRequest{Select: control.Select{IDs: []string{id}}}
	if verb == control.Hold || verb == control.Bounce {
		q.Why = v.texts.get("why", mail.Printable(v.who.Name, 100))
	}
	if err := v.changed(verb, q); err != nil {
		return err
	}
	return v.back(string(verb))
}

// A sure is a question before something that cannot be undone.
type sure struct {
	Ask          string
	Button       button
	Message      waiting
	Fields       [][2]string
	Action, Back string
}

// changing is how long a verb may take: an attempt that is under way is waited for.
const changing = 30 * time.Second

// changed does something to one message, and tells what went wrong.
func (v *visit) changed(verb control.Verb, q control.ChangeRequest) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), changing)
	defer cancel()
	if err := ended(ctx, v.client.Change(ctx, verb, q)); err != nil {
		return err
	}
	v.log("changed", "verb", string(verb), "ids", len(q.IDs), "user", mail.Printable(v.who.Name, 200))
	return nil
}

// ended waits for the end of changes, and is the first of what went wrong.
func ended(ctx context.Context, all iter.Seq2[control.Change, error]) error {
	for x, err := range all {
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return &fault{http.StatusConflict, "verb.busy"}
		case err != nil:
			return err
		case x.State == control.Failed:
			return x.Error
		case x.State == control.Gone:
			return errNotThere
		}
	}
	return nil
}

// fetchLeft fetches a message that was left in a maildrop, whatever the reason.
func fetchLeft(v *visit) error {
	name, uid := v.r.PostFormValue("name"), v.r.PostFormValue("uid")
	if !v.owns(name) {
		return errNotThere
	}
	m := v.maildrop(name)
	if m == nil || !m.Enabled || v.House.Poller == nil {
		return &fault{http.StatusConflict, "collect.off"}
	}
	a, ok, err := v.House.Queue.AsideOf(v.r.Context(), accountOf(m), mail.UID(uid))
	switch {
	case err != nil:
		return err
	case !ok || !v.mayRead(&a, name):
		return errNotThere
	case !v.left(&a).Button:
		return &fault{http.StatusConflict, "verb.notnow"}
	}
	if _, err := v.client.Seen(v.r.Context(), control.Forget, control.SeenRequest{Maildrop: name, UIDs: []string{uid}}); err != nil {
		return err
	}
	v.log("wanted", "maildrop", name, "uid", mail.Printable(uid, 200), "user", mail.Printable(v.who.Name, 200))
	// It is fetched at the next session in any case: that one may not be begun right now is no failure.
	v.runs.begin(v, name, false)
	return v.back("fetch")
}

// pause stops or resumes collecting.
func pause(v *visit) error {
	name := v.r.PostFormValue("name")
	m := v.maildrop(name)
	if !v.owns(name) || m == nil {
		return errNotThere
	}
	did, do := "pause", v.client.PauseByOwner
	switch resume := v.r.PostFormValue("resume") != ""; {
	case resume && v.who.Admin:
		did, do = "resume", v.client.Resume
	case resume:
		did, do = "resume", v.client.ResumeByOwner
	case v.who.Admin:
		do = v.client.Pause
	}
	err := do(v.r.Context(), name)
	var e *control.Error
	switch {
	case errors.As(err, &e) && e.Code == control.Denied:
		return &fault{http.StatusForbidden, "state.paused.admin"}
	case err != nil:
		return err
	}
	v.log("changed", "verb", did, "maildrop", name, "user", mail.Printable(v.who.Name, 200))
	return v.back(did)
}
