package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// A SeenRequest is about the marks of a maildrop: what is remembered of the messages that are, or were,
// upstream.
type SeenRequest struct {
	Maildrop string   `json:"maildrop"`          // its name; or the account, where the configuration has it no longer
	UIDs     []string `json:"uids,omitempty"`    // as they are listed
	All      bool     `json:"all,omitempty"`     // of Forget: every mark
	Kept     bool     `json:"kept,omitempty"`    // of Accept: what was collected and kept may be deleted upstream
	DryRun   bool     `json:"dry_run,omitempty"` // say what would be done
}

// A Mark is what is remembered of one message.
type Mark struct {
	UID  string `json:"uid"`  // #… where only a hash of it is kept
	Mark string `json:"mark"` // known, kept, taken, let go; aside: left upstream because of trouble
	Day  string `json:"day,omitempty"`
	Size int64  `json:"size,omitempty"` // as announced

	Why   string    `json:"reason,omitempty"` // of aside, for people
	Next  time.Time `json:"next,omitzero"`    // of aside: when it is tried again
	Tries int       `json:"tries,omitempty"`
}

// A SeenVerb is what is done to marks. What they mean is said in package store.
type SeenVerb string

// The verbs. Forget makes what is still upstream come again; Accept lets a maildrop be collected from after
// a rebuild of the database; Adopt says that another server, or user, holds the same mail as before; Know says that
// messages were collected by another program, and are not to be collected again.
const (
	Forget SeenVerb = "forget"
	Accept SeenVerb = "accept"
	Adopt  SeenVerb = "adopt"
	Know   SeenVerb = "know"
)

// Count says how much was done.
type Count struct {
	Count int `json:"count"`
}

func seenList(h *House, out *stream, r *http.Request) error {
	q, account, err := h.seenRequest(r)
	if err != nil {
		return err
	}
	for a, err := range h.Queue.Asides(r.Context(), account) {
		if err == nil {
			err = out.item(Mark{
				UID: string(a.UID), Mark: "aside", Size: a.Size, Why: a.Why, Next: a.Next, Tries: a.Tries,
			}, false)
		}
		if err != nil {
			return err
		}
	}
	want := wanted(q.UIDs)
	for s, err := range h.Queue.Seen(r.Context(), account) {
		if err != nil {
			return err
		}
		if m := markOf(s); len(want) == 0 || want[m.UID] {
			if err := out.item(m, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func markOf(s store.Seen) Mark {
	m := Mark{UID: string(s.UID), Mark: s.Mark.String(), Size: s.Size}
	if m.UID == "" {
		m.UID = "#" + hex.EncodeToString(s.Spot[:])
	}
	if s.Day != 0 {
		m.Day = time.Unix(int64(s.Day)*24*60*60, 0).UTC().Format(time.DateOnly)
	}
	return m
}

func wanted(uids []string) map[string]bool {
	m := make(map[string]bool, len(uids))
	for _, u := range uids {
		m[u] = true
	}
	return m
}

func seenChange(h *House, out *stream, r *http.Request) error {
	q, account, err := h.seenRequest(r)
	if err != nil {
		return err
	}
	n := 1
	switch v := SeenVerb(r.PathValue("verb")); {
	case v == Forget:
		n, err = h.forget(r.Context(), account, q)
	case v == Know:
		n, err = h.know(r.Context(), account, q)
	case v != Accept && v != Adopt:
		err = newError(NotFound, "marks are listed, forgotten, accepted or adopted", "")
	case q.DryRun:
	case v == Adopt:
		err = h.Queue.Adopt(r.Context(), q.Maildrop, account)
	case q.Kept:
		err = h.Queue.Follow(r.Context(), account)
	default:
		err = h.Queue.Accept(r.Context(), account)
	}
	if err == nil && !q.DryRun {
		err = h.Poller.Relook(r.Context(), q.Maildrop)
	}
	if err != nil {
		return err
	}
	return out.item(Count{n}, false)
}

// know marks messages that have no mark yet, and returns how many those are.
func (h *House) know(ctx context.Context, a mail.Account, q SeenRequest) (n int, err error) {
	uids := make([]mail.UID, len(q.UIDs))
	for i, u := range q.UIDs {
		uids[i] = mail.UID(u)
	}
	for some := range slices.Chunk(uids, forgotten) {
		marks, err := h.Engine.Marks(ctx, a, some)
		if err != nil {
			return n, err
		}
		for i := range marks {
			if marks[i].Mark == store.Unseen {
				n++
			}
		}
		if q.DryRun {
			continue
		}
		if err := h.Queue.Skip(ctx, a, some); err != nil {
			return n, err
		}
	}
	return n, nil
}

// forgotten is how many marks are changed in one commit.
const forgotten = 2000

// forget removes marks and asides; what is still upstream is collected again.
func (h *House) forget(ctx context.Context, a mail.Account, q SeenRequest) (n int, err error) {
	if q.All == (len(q.UIDs) > 0) {
		return 0, usage("which messages are meant?", "name their UIDs, as mailretr seen list shows them, or say --all")
	}
	marks, err := h.marks(ctx, a, q)
	if err != nil {
		return 0, err
	}
	asides, err := h.asides(ctx, a, q)
	n = len(marks) + len(asides)
	if err != nil || q.DryRun {
		return n, err
	}
	if n == 0 && len(q.UIDs) > 0 {
		return 0, newError(NotFound, "nothing is remembered of these messages", "see what is with: mailretr seen list")
	}
	for len(marks) > 0 {
		some := marks[:min(len(marks), forgotten)]
		marks = marks[len(some):]
		if err := h.Engine.Commit(ctx, &store.Batch{Forget: some}); err != nil {
			return 0, err
		}
	}
	return n, h.unaside(ctx, a, asides, q.All)
}

// unaside ends notes. What was left for its size is wanted from now on, if it was named: else it would be left again.
func (h *House) unaside(ctx context.Context, a mail.Account, notes []store.Aside, all bool) error {
	var ended, wanted []mail.UID
	for _, x := range notes {
		switch x.Kind {
		case fetch.AsideRefused, fetch.AsideNotice, fetch.AsideBudget, store.AsideWanted:
			if !all {
				wanted = append(wanted, x.UID)
				continue
			}
		}
		ended = append(ended, x.UID)
	}
	if err := h.Queue.Want(ctx, a, wanted...); err != nil || len(ended) == 0 {
		return err
	}
	return h.Queue.Unaside(ctx, a, ended...)
}

// marks returns those that are meant, by their spots: an engine may have kept no more of the UIDs.
func (h *House) marks(ctx context.Context, a mail.Account, q SeenRequest) (list []store.Seen, err error) {
	want := wanted(q.UIDs)
	for s, err := range h.Queue.Seen(ctx, a) {
		if err != nil {
			return nil, err
		}
		if q.All || want[markOf(s).UID] {
			list = append(list, store.Seen{Account: a, UID: s.UID, Spot: s.Spot})
			delete(want, markOf(s).UID)
		}
	}
	var uids []mail.UID // those of which the engine keeps a hash, named as the server names them
	for u := range want {
		uids = append(uids, mail.UID(u))
	}
	found, err := h.Engine.Marks(ctx, a, uids)
	for i, s := range found {
		if s.Mark != store.Unseen {
			list = append(list, store.Seen{Account: a, UID: uids[i]})
		}
	}
	return list, err
}

func (h *House) asides(ctx context.Context, a mail.Account, q SeenRequest) (list []store.Aside, err error) {
	want := wanted(q.UIDs)
	for x, err := range h.Queue.Asides(ctx, a) {
		if err != nil {
			return nil, err
		}
		if q.All || want[string(x.UID)] {
			list = append(list, x)
		}
	}
	return list, nil
}

// seenRequest reads a request and finds the account it is about.
func (h *House) seenRequest(r *http.Request) (q SeenRequest, a mail.Account, err error) {
	if q, err = body[SeenRequest](r); err != nil {
		return q, "", err
	}
	if len(q.UIDs) > maxIDs {
		return q, "", usage(fmt.Sprintf("more than %d UIDs", maxIDs), "")
	}
	if m := h.maildrop(q.Maildrop); m != nil {
		return q, mail.AccountOf(m.Protocol, m.Host, m.User), nil
	}
	if b, err := hex.DecodeString(q.Maildrop); err == nil && len(b) == 16 {
		return q, mail.Account(strings.ToLower(q.Maildrop)), nil
	}
	return q, "", unknown(q.Maildrop, fetch.ErrUnknown)
}

func (h *House) maildrop(name string) *conf.Maildrop { return h.Config().Maildrop(name) }
