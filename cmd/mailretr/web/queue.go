package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mailretr/bounce"
	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/store/mail"
)

// A condition is one of those by which messages are found: the words of the command line.
type condition struct{ Key, Label, Value, Example string }

// conditions are all but the state, in the order of the form.
var conditions = []string{"maildrop", "lane", "from", "to", "reason", "older", "younger", "larger", "smaller"}

// A queuePage is the list of what waits.
type queuePage struct {
	Conditions []condition
	State      string
	States     []control.State
	Filtered   bool
	Rows       []waiting
	Here       string // this page
	Before     string // the page before
	Behind     string
	Late       bool // the queue is so long that not all of it was looked at
	Verbs      []button
	Job        *jobState
	Select     [][2]string // the conditions as they were written
}

// selection reads the conditions of a form.
func (v *visit) selection(q url.Values) (s control.Select, err error) {
	s = control.Select{
		Maildrop: q.Get("maildrop"), Lane: q.Get("lane"), From: q.Get("from"), To: q.Get("to"), Reason: q.Get("reason"),
		State: control.State(q.Get("state")),
	}
	if s.Older, err = given(v, q, "older", conf.ParseDuration); err != nil {
		return s, err
	}
	if s.Younger, err = given(v, q, "younger", conf.ParseDuration); err != nil {
		return s, err
	}
	if s.Larger, err = given(v, q, "larger", conf.ParseSize); err != nil {
		return s, err
	}
	s.Smaller, err = given(v, q, "smaller", conf.ParseSize)
	return s, err
}

// given reads one condition. What would mean nothing at all selects everything by mistake, so it is refused.
func given[T int64 | time.Duration](v *visit, q url.Values, key string, parse func(string) (T, error)) (T, error) {
	text := strings.TrimSpace(q.Get(key))
	if text == "" {
		return 0, nil
	}
	x, err := parse(text)
	label := v.texts.get("queue." + key)
	switch {
	case err != nil:
		return 0, &control.Error{Code: control.Usage, Text: label + ": " + err.Error()}
	case x <= 0:
		return 0, &control.Error{Code: control.Usage, Text: v.texts.get("queue.nothing", label, text)}
	}
	return x, nil
}

// written are the conditions of a form as they were written, for links and for the next form.
func written(q url.Values) (all [][2]string) {
	for _, key := range append(slices.Clone(conditions), "state") {
		if x := q.Get(key); x != "" && len(x) <= 1000 {
			all = append(all, [2]string{key, x})
		}
	}
	return all
}

func queueOf(v *visit) error {
	q := v.r.URL.Query()
	s, err := v.selection(q)
	if err != nil {
		return err
	}
	p := queuePage{State: q.Get("state"), States: control.States(), Filtered: s.Filtered(), Job: v.jobs.state(v), Select: written(q)}
	for _, key := range conditions {
		p.Conditions = append(p.Conditions, condition{key, v.texts.get("queue." + key), q.Get(key), v.texts.get("queue." + key + ".example")})
	}
	for _, verb := range []control.Verb{control.Release, control.Retry, control.Hold, control.Bounce, control.Remove} {
		p.Verbs = append(p.Verbs, button{Verb: verb, Text: v.texts.get("verbs." + string(verb)),
			Danger: verb == control.Bounce || verb == control.Remove})
	}
	n := max(1, number(q.Get("page")))
	more := false
	if !v.auto { // the queue may be long; a script asks for the job alone
		if more, err = v.rows(&p, s, (n-1)*perTable); err != nil {
			return err
		}
	}
	to := func(n int) string {
		u := url.Values{"page": {strconv.Itoa(n)}}
		for _, x := range p.Select {
			u.Set(x[0], x[1])
		}
		return "/admin/queue?" + u.Encode()
	}
	p.Here = to(n)
	if n > 1 {
		p.Before = to(n - 1)
	}
	if more {
		p.Behind = to(n + 1)
	}
	v.live("queue", v.texts.get("queue.title"), p, p.Job != nil && !p.Job.Done)
	return nil
}

// rows reads one page of the list; more says that there are others behind it.
func (v *visit) rows(p *queuePage, s control.Select, skip int) (more bool, err error) {
	ctx, cancel := context.WithTimeout(v.r.Context(), soon)
	defer cancel()
	if !v.turns.take(ctx) {
		p.Late = true
		return false, nil
	}
	defer v.turns.done()
	for m, err := range v.client.List(ctx, control.ListRequest{Select: s}) {
		switch {
		case err != nil && ctx.Err() != nil && v.r.Context().Err() == nil:
			p.Late = true
			return false, nil
		case err != nil:
			return false, err
		case skip > 0:
			skip--
			continue
		case len(p.Rows) == perTable:
			return true, nil
		}
		p.Rows = append(p.Rows, v.waiting(&m))
	}
	return false, nil
}

// A whyPage says for which reasons messages wait.
type whyPage struct {
	Groups []group
	Late   bool
}

// A group is messages that wait for one reason.
type group struct {
	control.Group
	Oldest, Next moment
	URL          string // of the list of them; "": it cannot be asked for
	Example      string
}

// maxGroups is how many reasons are shown: the most frequent ones.
const maxGroups = 100

func whyOf(v *visit) error {
	var p whyPage
	ctx, cancel := context.WithTimeout(v.r.Context(), 4*soon)
	defer cancel()
	if !v.turns.take(ctx) {
		return &fault{http.StatusServiceUnavailable, "queue.late"}
	}
	defer v.turns.done()
	for g, err := range v.client.Top(ctx, control.TopRequest{}) {
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.Late = true
			break
		}
		if err != nil {
			return err
		}
		if len(p.Groups) == maxGroups {
			break
		}
		x := group{Group: g, Oldest: v.moment(g.Oldest), Next: v.future(g.Next), Example: messageURL(g.Example)}
		if g.State == control.Held {
			x.Next = moment{}
		}
		x.URL = queueURL("lane", g.Lane, "state", string(g.State))
		p.Groups = append(p.Groups, x)
	}
	v.show(http.StatusOK, "why", v.texts.get("why.title"), p)
	return nil
}

func messageURL(id string) string { return "/admin/message?" + url.Values{"id": {id}}.Encode() }

// A messagePage is all that is known of one message.
type messagePage struct {
	waiting
	Rcpts  []rcpt
	Header string
	Last   moment
}

// A rcpt is a recipient on a page.
type rcpt struct {
	control.Recipient
	When, Since moment
	Word        string
}

func messageOf(v *visit) error {
	m, err := v.client.Show(v.r.Context(), v.r.URL.Query().Get("id"))
	if err != nil {
		return err
	}
	p := messagePage{waiting: v.waiting(&m), Last: v.moment(m.Last)}
	header := v.header(m.ID)
	p.Subject, p.Header = bounce.Subject(header), printed(header)
	for _, r := range m.Recipients {
		p.Rcpts = append(p.Rcpts, rcpt{r, v.moment(r.At), v.moment(r.Since), v.texts.first("rcpt." + r.State)})
	}
	v.show(http.StatusOK, "message", v.texts.get("message.title"), p)
	return nil
}

// printed is a header section as it is shown, line by line.
func printed(header []byte) string {
	var lines []string
	for line := range strings.Lines(string(header)) {
		lines = append(lines, mail.Printable(strings.TrimRight(line, "\r\n"), 2000))
	}
	return strings.Join(lines, "\n")
}

// octetsOf is a message as it is queued, to be kept as a file. No browser opens it as a page.
func octetsOf(v *visit) error {
	id, err := mail.ParseID(v.r.URL.Query().Get("id"))
	if err != nil {
		return errNotThere
	}
	r, err := v.client.Cat(v.r.Context(), id.String(), false)
	if err != nil {
		return err
	}
	defer r.Close()
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+id.String()+`.eml"`)
	v.log("read", "id", id.String(), "user", mail.Printable(v.who.Name, 200))
	if _, err := io.Copy(patient{v.w, http.NewResponseController(v.w)}, r); err != nil {
		panic(http.ErrAbortHandler) // the file must not look whole
	}
	return nil
}

// patient lets an answer take as long as the browser goes on reading it: a message may be large, and a line slow.
type patient struct {
	io.Writer
	c *http.ResponseController
}

// Write is io.Writer. It writes as much at once as a modem takes within writing.
func (p patient) Write(b []byte) (n int, err error) {
	const most = 32 << 10
	for part := range slices.Chunk(b, most) {
		if err := p.c.SetWriteDeadline(time.Now().Add(writing)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return n, err
		}
		m, err := p.Writer.Write(part)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// changeMany does something to the messages that were marked, or to all that fulfil the conditions. How many those are is
// said first.
func changeMany(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errForm
	}
	f, verb := v.r.PostForm, control.Verb(v.r.PostFormValue("verb"))
	i := slices.IndexFunc(manyVerbs, func(x control.Verb) bool { return x == verb })
	if i < 0 {
		return errForm
	}
	q := control.ChangeRequest{Now: f.Get("now") != ""}
	var err error
	if q.Select, err = v.chosen(f); err != nil {
		return err
	}
	if verb == control.Hold || verb == control.Bounce {
		q.Why = strings.TrimSpace(f.Get("why"))
		if q.Why == "" {
			q.Why = v.texts.get("why", mail.Printable(v.who.Name, 100))
		}
	}
	if f.Get("sure") == "" {
		return v.askMany(verb, q, f)
	}
	// What has come since somebody was asked was not meant.
	if q.Before, err = time.Parse(time.RFC3339Nano, f.Get("before")); err != nil || q.Before.After(v.at) {
		return errForm
	}
	if q.Most = number(f.Get("most")); q.Most == 0 {
		return errForm
	}
	if len(q.IDs) > 0 {
		q.Before = time.Time{}
	}
	if !v.jobs.begin(v, verb, q) {
		return &fault{http.StatusConflict, "job.busy"}
	}
	v.log("changed", "verb", string(verb), "messages", q.Most, "user", mail.Printable(v.who.Name, 200))
	return v.back("job")
}

var manyVerbs = []control.Verb{control.Release, control.Retry, control.Hold, control.Bounce, control.Remove}

// A many is a question before messages are changed.
type many struct {
	Ask, Verb, Text string
	Total           int
	Danger, Why     bool
	Now             string // what now means for this verb; "": nothing
	Fields          [][2]string
	Back            string
}

// askMany says how many messages would be changed.
func (v *visit) askMany(verb control.Verb, q control.ChangeRequest, f url.Values) error {
	q.DryRun, q.Why, q.Now = true, "", false
	ctx, cancel := context.WithTimeout(v.r.Context(), changing)
	defer cancel()
	var first control.Change
	for x, err := range v.client.Change(ctx, verb, q) {
		if err != nil {
			return err
		}
		first = x
		break
	}
	if first.Total == 0 {
		return &fault{http.StatusNotFound, "queue.none"}
	}
	m := many{
		Ask:  v.texts.get("many."+string(verb), counted(first.Total, "message")),
		Verb: string(verb), Text: v.texts.get("verbs." + string(verb)), Total: first.Total,
		Danger: verb == control.Bounce || verb == control.Remove, Why: verb == control.Bounce || verb == control.Hold,
		Now: v.texts.first("now." + string(verb)), Back: local(f.Get("back")),
		Fields: [][2]string{{"before", first.At.Format(time.RFC3339Nano)}, {"most", strconv.Itoa(first.Total)},
			{"back", local(f.Get("back"))}},
	}
	for _, id := range q.IDs {
		m.Fields = append(m.Fields, [2]string{"id", id})
	}
	if len(q.IDs) == 0 {
		m.Fields = append(append(m.Fields, written(f)...), [2]string{"all", "1"})
	}
	v.show(http.StatusOK, "many", v.texts.get("sure.title"), m)
	return nil
}
