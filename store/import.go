package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mailretr/store/mail"
)

// A message that was exported comes back under its own ID, so an import may be repeated: what is in the queue, or was
// imported before and has left it, is not taken a second time. Before a file can exist that a restart would adopt, a note
// says that an import is under way and which records it makes; the commit that makes them ends it. What a crash left is
// looked at before anything is delivered ([Queue.Resume]).

// Imported says what became of one import.
type Imported uint8

const (
	ImportTaken Imported = iota // it is in the queue now
	ImportThere                 // it was in the queue already
	ImportKnown                 // it was imported before, and has left the queue
)

var (
	// ErrImport says that what is to be imported makes no sense; nothing was taken. The error around it says why.
	ErrImport = errors.New("this cannot be imported")

	errOctets = fmt.Errorf("%w: the octets are not those that the message was exported with", ErrImport)
)

// importedFor is how long it is remembered that a message was imported.
const importedFor = 90 * 24 * time.Hour

// importing is the note of an import under way.
type importing struct {
	Parts []mail.ID `cbor:"1,keyasint"`           // of all records
	Made  []mail.ID `cbor:"2,keyasint,omitempty"` // those that are here already
	Hold  Hold      `cbor:"3,keyasint,omitempty"` // an adopted file knows nothing of it
	Why   string    `cbor:"4,keyasint,omitempty"`
}

// Import takes a message that was exported: r is what was known of it, octets are its octets, which have to be those of
// r.Size and r.SHA256. It keeps its ID, its place in the schedule, and that it is held; destinations are found anew. Where
// its maildrop knows nothing of its UID, that is marked as kept: it is not collected again, and not deleted there either.
// again takes it also when it was imported before. An error that is ErrImport is one of what is imported.
func (q *Queue) Import(ctx context.Context, r Record, octets io.Reader, again bool) (Imported, error) {
	if err := q.importable(&r); err != nil {
		return 0, err
	}
	if x, done, err := q.importedBefore(ctx, r.ID, again); done || err != nil {
		return x, err
	}
	parts := q.importParts(&r)
	if len(parts) == 0 {
		return 0, fmt.Errorf("%w: %w: %v", ErrImport, errNoRoute, r.Recipients[0].Forward)
	}
	for i := range parts {
		if err := q.gone(ctx, parts[i].rec.ID); err != nil {
			return 0, err
		}
	}
	left, err := q.beginImport(ctx, &r, parts)
	if err != nil {
		return 0, err
	}
	e := &entry{parts: left}
	if err = q.stageImport(ctx, e, &r, octets); err == nil {
		err = q.takeImport(ctx, &r, e)
	}
	if err != nil {
		if !isUnknown(err) {
			e.discard()
		}
		return 0, err
	}
	for i := range e.parts {
		x := &e.parts[i].rec
		q.observe(mail.Event{Op: mail.OpVerb, ID: x.ID, Origin: x.Origin, Lane: x.Lane, From: x.Reverse, Octets: x.Size,
			Text: "imported", Next: x.Due})
	}
	return ImportTaken, nil
}

// An Ender (optional on an Engine) says whether the file of a message that has ended is still to be removed. Until it is,
// its ID must not be used anew: the removal, perhaps one after a crash, would take the new file.
type Ender interface {
	Ending(context.Context, mail.ID) (bool, error)
}

// gone waits until an ID may be used anew: a moment, as a rule.
func (q *Queue) gone(ctx context.Context, id mail.ID) error {
	e, ok := q.Engine.(Ender)
	for try := 0; ok; try++ {
		ending, err := e.Ending(ctx, id)
		if err != nil || !ending {
			return err
		}
		if try == 50 {
			return local(fmt.Errorf("the file of %s, which has left the queue, is still being removed", id), "try again")
		}
		if err := q.wait(ctx, verbPause); err != nil {
			return err
		}
	}
	return nil
}

// importable brings a record from a stranger into bounds, or says why it cannot be.
func (q *Queue) importable(r *Record) error {
	now, replies := q.now(), 0
	if r.ID.Zero() || r.Size < 0 {
		return fmt.Errorf("%w: it has no id, or no size", ErrImport)
	}
	if err := soundImport(r); err != nil {
		return fmt.Errorf("%w: %w", ErrImport, err)
	}
	if n := r.words(); n > maxWords || r.Announced > maxClaim || r.Size > maxClaim {
		return fmt.Errorf("%w: what is said of it has %d octets, and may have %d; or it would be larger than any disk", ErrImport,
			n, maxWords)
	}
	for i := range r.Recipients {
		x := &r.Recipients[i]
		if x.State != Owed {
			x.State = Waiting
		}
		x.Last.Enhanced, x.Last.RemoteMTA = clip(x.Last.Enhanced, 16), clip(x.Last.RemoteMTA, 64)
		if replies += len(x.Last.Reply) + len(x.Last.Err); replies > maxReplies {
			x.Last.Reply, x.Last.Err = "", ""
		}
	}
	r.Origin, r.ParentOrigin = bounded(r.Origin), bounded(r.ParentOrigin)
	r.HoldWhy = mail.Printable(r.HoldWhy, 600)
	if r.Queued.IsZero() || r.Queued.After(now) {
		r.Queued = now
	}
	return nil
}

// Bounds of what an imported record may say. Its recipients are parted where they are many, so each counts for itself.
const (
	maxWords = 32 << 10 // octets of texts, without recipients; or of one recipient, without replies
	maxClaim = 1 << 50  // octets that it may claim to have
)

// words counts the octets of what somebody has written into a record: of all but its recipients, or of the longest of them.
func (r *Record) words() int {
	n := len(r.Reverse) + len(r.EnvID) + len(r.Ret)
	for _, o := range []*mail.Origin{&r.Origin, &r.ParentOrigin} {
		n += len(o.Maildrop) + len(o.Account) + len(o.UID) // flags are bounded
	}
	for i := range r.Recipients {
		n = max(n, r.Recipients[i].octets())
	}
	return n
}

// soundImport says why an envelope cannot be one. Its recipients were rewritten when the message came in, if at all.
func soundImport(r *Record) error {
	if err := checked(r.Reverse); err != nil {
		return err
	}
	if n := len(r.Recipients); n == 0 || n > maxRecipients {
		return fmt.Errorf("it has %d recipients, and may have 1 to %d", n, maxRecipients)
	}
	for i := range r.Recipients {
		p := r.Recipients[i].Forward
		if err := aRecipient(p); err != nil {
			return err
		}
		if slices.ContainsFunc(r.Recipients[:i], func(x Recipient) bool { return same(x.Forward, p) }) {
			return fmt.Errorf("it has the recipient %v twice", p)
		}
	}
	return nil
}

// importedBefore says whether an import has nothing to do.
func (q *Queue) importedBefore(ctx context.Context, id mail.ID, again bool) (x Imported, done bool, err error) {
	begun := false
	for _, err := range q.Engine.Notes(ctx, spaceImporting, id.String()) {
		if begun = true; err != nil {
			return 0, false, err
		}
	}
	switch _, err := q.Engine.Get(ctx, id); {
	case err == nil && !begun:
		return ImportThere, true, nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return 0, false, err
	}
	for _, err := range q.Engine.Notes(ctx, spaceImported, id.String()) {
		if err != nil || !again {
			return ImportKnown, err == nil, err
		}
	}
	return 0, false, nil
}

// importParts makes the records that a message becomes, by its destinations now. The first has its ID; those of the
// others follow from it and from their place, so that they are the same when it is done again.
func (q *Queue) importParts(r *Record) (parts []part) {
	now := q.now()
	for i, g := range q.part(r) {
		x := *r
		x.Lane, x.Recipients, x.Body = g.lane, g.to, ""
		x.Home, x.Moved = "", time.Time{} // it is where its route leads now
		if i > 0 {
			sum := sha256.Sum256(fmt.Appendf(r.ID[:], "%d/%s", i, g.lane))
			x.ID = r.ID
			copy(x.ID[8:], sum[:])
		}
		if longest := q.schedule(x.Lane).Longest() * 3 / 2; x.Due.IsZero() || x.Due.Sub(now) > longest {
			x.Due = now
		}
		parts = append(parts, part{rec: x})
	}
	return parts
}

// beginImport notes that an import is under way, and returns the parts that are not here yet.
func (q *Queue) beginImport(ctx context.Context, r *Record, parts []part) ([]part, error) {
	n := importing{Hold: r.Hold, Why: r.HoldWhy}
	text := r.ID.String()
	for note, err := range q.Engine.Notes(ctx, spaceImporting, text) {
		var before importing
		if err == nil {
			err = unpack(note.Value, &before)
		}
		if err == nil {
			n.Made, err = q.made(ctx, before)
		}
		if err != nil {
			return nil, err
		}
	}
	for i := range parts {
		n.Parts = append(n.Parts, parts[i].rec.ID)
	}
	left := slices.DeleteFunc(parts, func(p part) bool { return slices.Contains(n.Made, p.rec.ID) })
	return left, q.commit(ctx, &Batch{Notes: []Note{{Space: spaceImporting, Owner: text, Value: pack(n)}}})
}

// stageImport brings the octets into the spool, for each part, and makes them durable.
func (q *Queue) stageImport(ctx context.Context, e *entry, r *Record, octets io.Reader) (err error) {
	for i := range e.parts {
		p := &e.parts[i]
		if p.body, err = q.Engine.Stage(ctx, &p.rec); err != nil {
			return local(err, "")
		}
	}
	h := head{found: func([]byte) {}}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	sum := sha256.New()
	var at reach
	mended, _, err := normalize(io.TeeReader(octets, sum), *buf, &at, func(b []byte) error {
		h.add(b)
		for i := range e.parts {
			if _, err := e.parts[i].body.Write(b); err != nil {
				return local(err, "")
			}
		}
		return nil
	})
	h.close()
	switch {
	case err != nil:
		return err
	case mended.any() || !bytes.Equal(sum.Sum(nil), r.SHA256[:]):
		return errOctets
	}
	for i := range e.parts {
		p := &e.parts[i]
		p.rec.Size, p.rec.Header = p.body.Size(), h.end
		if p.rec.Size != r.Size {
			return errOctets
		}
		if p.rec.Body, p.rec.SHA256, err = p.body.Seal(ctx); err != nil {
			return local(err, "")
		}
	}
	return nil
}

// takeImport is the commit that makes an import ours.
func (q *Queue) takeImport(ctx context.Context, r *Record, e *entry) error {
	text := r.ID.String()
	at, err := q.now().MarshalBinary()
	if err != nil {
		return err
	}
	b := &Batch{Notes: []Note{{Space: spaceImporting, Owner: text}, {Space: spaceImported, Owner: text, Value: at}}}
	for i := range e.parts {
		b.Put = append(b.Put, e.parts[i].rec)
	}
	if b.Seen, err = q.importMark(ctx, r); err != nil {
		return err
	}
	err = q.commit(ctx, b)
	var seen *ErrSeen
	if errors.As(err, &seen) { // it was collected in this moment
		b.Seen, b.ID = nil, [16]byte{}
		err = q.commit(ctx, b)
	}
	return err
}

// importMark is the mark of an imported message of which its maildrop knows nothing.
func (q *Queue) importMark(ctx context.Context, r *Record) ([]Seen, error) {
	o := r.Origin
	if o.UID == "" || o.Account == "" || !r.Parent.Zero() {
		return nil, nil
	}
	marks, err := q.Engine.Marks(ctx, o.Account, []mail.UID{o.UID})
	if err != nil || marks[0].Mark != Unseen {
		return nil, err
	}
	return []Seen{{Account: o.Account, UID: o.UID, Mark: Kept, Day: day(q.now()), Size: max(r.Announced, 0), New: true}}, nil
}

// finishImports finishes imports that a crash has interrupted where the files were whole and have been adopted, and forgets
// them where they were not, so that they can be made again.
func (q *Queue) finishImports(ctx context.Context) error {
	now := q.now()
	at, err := now.MarshalBinary()
	if err != nil {
		return err
	}
	b := &Batch{}
	for n, err := range q.Engine.Notes(ctx, spaceImporting, "") {
		var x importing
		if err == nil {
			err = unpack(n.Value, &x)
		}
		if err == nil {
			x.Made, err = q.adopted(ctx, x)
		}
		if err != nil {
			return err
		}
		n.Value = nil
		if len(x.Made) == len(x.Parts) {
			b.Notes = append(b.Notes, Note{Space: spaceImported, Owner: n.Owner, Value: at})
		} else if len(x.Made) > 0 {
			n.Value = pack(x)
		}
		b.Notes = append(b.Notes, n)
	}
	for n, err := range q.Engine.Notes(ctx, spaceImported, "") {
		if err != nil {
			return err
		}
		var t time.Time
		if t.UnmarshalBinary(n.Value) != nil || now.Sub(t) > importedFor {
			n.Value = nil
			b.Notes = append(b.Notes, n)
		}
	}
	if len(b.Notes) == 0 {
		return nil
	}
	return q.commit(ctx, b)
}

// adopted are the parts of an import that are here. Those that were to be held are held again.
func (q *Queue) adopted(ctx context.Context, x importing) (ids []mail.ID, err error) {
	if ids, err = q.made(ctx, x); err != nil || x.Hold == NotHeld {
		return ids, err
	}
	_, err = q.change(ctx, ids, func(r *Record) bool {
		done := r.Held()
		if !done {
			r.Hold, r.HoldWhy = x.Hold, x.Why
		}
		return !done
	})
	return ids, err
}

// made are the parts of an import that are here, or were when it was looked last.
func (q *Queue) made(ctx context.Context, x importing) (ids []mail.ID, err error) {
	for _, id := range x.Parts {
		_, err := q.Engine.Get(ctx, id)
		switch {
		case err == nil, slices.Contains(x.Made, id):
			ids = append(ids, id)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return ids, nil
}
