// Package source keeps what a source of maildrops has said last.
//
// It promises that a source which is away, answers nonsense, or has suddenly lost more than half of its rows changes
// nothing: the last good set goes on, after a restart too, until the source says something sensible again or somebody
// accepts what it says ([Keeper.Accept]). It asks cheaply where it can, one question per interval and for the rows that have
// changed alone ([Changer]), and hands out the very same row as before where nothing has changed in it.
//
// It leaves how a source is asked to its [Reader] (conf/sql), what a row means to package conf, and where sets are kept, and
// that they are encrypted there, to the [Store].
//
// Read [Keeper.Look] first.
package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"mailretr/conf"
)

// A Reader asks a source. It is used by one goroutine at a time.
type Reader interface {
	// Version returns what differs from the last time when the rows may differ; "": that is not known.
	Version(context.Context) (string, error)
	// Rows yields all rows. After an error comes nothing more, and what came before is not all.
	Rows(context.Context) iter.Seq2[*conf.Row, error]
	// Close ends the connection; the next question makes another.
	Close() error
}

// A Store keeps the last good set of each source, encrypted.
type Store interface {
	// Load returns what was saved last; nil: nothing was.
	Load(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, name string, set []byte) error
}

// A State is how a source is, for people.
type State struct {
	Name  string    `json:"name"`
	Kind  string    `json:"kind"`
	Rows  int       `json:"rows"`            // of the set in use
	Read  time.Time `json:"read,omitzero"`   // when it last answered as it should
	Wrong string    `json:"wrong,omitempty"` // "": it is well
	Since time.Time `json:"since,omitzero"`  // of what is wrong
	Fewer int       `json:"fewer,omitempty"` // the rows it has now, too few to be taken without a word of somebody

	Server string `json:"server,omitempty"` // which of several servers is asked
	Away   string `json:"away,omitempty"`   // what is wrong with those that would be asked before it
}

// A Replicated reader has several servers that hold the same. It is found by assertion; Server is for concurrent use, and does not
// wait.
type Replicated interface {
	Server() (server, why string)
}

// A Keeper looks at one source. Its fields are not changed once it is used. Safe for concurrent use.
type Keeper struct {
	Source conf.Source
	Reader Reader
	Store  Store
	Now    func() time.Time

	// Ready says whether its rows would be understood, if they came, and what differs when they would be understood in another
	// way; nil: they would. While they would not, nothing is asked.
	Ready func(context.Context) (with [32]byte, err error)
	// Changed is told that there is another set, or that the set may be understood now, or in another way.
	Changed func(context.Context)
	// Told is told that something became wrong, or well again, with the error. It must not block.
	Told func(State, error)

	turn sync.Mutex // one look at a time
	mu   sync.Mutex
	set  set
	few  bool // that the set is smaller than half is accepted
	full time.Time

	marks   []mark    // the oldest first; see since
	asked   time.Time // when rows were asked for last
	alike   bool      // rows are not told apart by IDs of their own
	fewer   bool      // that it has too few rows is what was told last
	settled bool      // all rows were read when their version was known already
	unready bool      // Ready said so, or something else than before, and Changed was not told yet
	with    *[32]byte // what Ready said; nil: it was not asked
}

// set is what is kept.
type set struct {
	Form    int         `json:"form"`
	Rows    []*conf.Row `json:"rows"`
	Version string      `json:"version,omitempty"`
	Good    bool        `json:"good"` // there was one
	State   State       `json:"state"`
}

const (
	form = 1

	// timeout bounds a question with its answer.
	timeout = 10 * time.Second
	// fullEvery is how often all rows are read although the version says that nothing has changed: a version may overlook
	// a row that was removed.
	fullEvery = time.Hour
)

// ErrFewer says that a source has lost more than half of its rows.
var ErrFewer = errors.New("suddenly less than half of the rows are there")

// Rows returns the set in use. It is not to be changed.
func (k *Keeper) Rows() []*conf.Row {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.set.Rows
}

// State returns how it is.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.set.State
	s.Name, s.Kind, s.Rows = k.Source.Name, k.Source.Kind, len(k.set.Rows)
	if r, ok := k.Reader.(Replicated); ok {
		s.Server, s.Away = r.Server()
	}
	return s
}

// Run looks at once, and then each interval until ctx ends; then it ends the connection.
func (k *Keeper) Run(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			k.turn.Lock()
			defer k.turn.Unlock()
			// Nothing was written on that connection.
			_ = k.Reader.Close()
			return
		case <-next.C:
		}
		// What went wrong was told.
		_ = k.Look(ctx)
		next.Reset(k.Source.Every)
	}
}

// Look asks the source whether anything has changed, and takes it in. An error means that the last good set goes on; it was
// told to Told, if it is not the one that was told last.
func (k *Keeper) Look(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	version, err := k.version(ctx)
	if err == nil && !k.unready && k.fresh(version) {
		return k.judge(ctx, nil, false)
	}
	var rows []*conf.Row
	whole := false
	if err == nil {
		rows, whole, err = k.gather(ctx, version)
	}
	if ctx.Err() != nil {
		return ctx.Err() // who asked has gone: nothing is known of the source
	}
	changed := false
	if err == nil {
		changed, err = k.take(rows, version, whole)
	}
	if err != nil {
		// The next look makes a connection anew; what this one says at its end helps nobody.
		_ = k.Reader.Close()
	}
	again := err == nil && k.unready
	k.unready = k.unready && !again
	err = k.judge(ctx, err, changed)
	if (changed || again) && k.Changed != nil {
		k.Changed(ctx)
	}
	return err
}

// Accept takes what the source says at the next look, however little that is, and looks.
func (k *Keeper) Accept(ctx context.Context) error {
	k.mu.Lock()
	k.few = true
	k.mu.Unlock()
	err := k.Look(ctx)
	k.mu.Lock()
	k.few = false
	k.mu.Unlock()
	return err
}

func (k *Keeper) version(ctx context.Context) (string, error) {
	if k.Ready != nil {
		with, err := k.Ready(ctx)
		k.unready = k.unready || err != nil || k.with != nil && *k.with != with
		if err != nil {
			return "", err
		}
		k.with = &with
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := k.Reader.Version(ctx)
	if err == nil && len(v) > conf.MaxColumn {
		err = fmt.Errorf("the version is longer than %d octets", conf.MaxColumn)
	}
	return v, err
}

// fresh says whether the set in use is of this version. Versions are often times in seconds: a row that changes in the
// second in which the rows are read would be overlooked, so that they are read once more.
func (k *Keeper) fresh(version string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return version != "" && k.settled && k.set.Version == version && k.set.State.Fewer == 0 &&
		!k.full.IsZero() && k.Now().Sub(k.full) < fullEvery
}

// read reads all rows, and gives each an ID of its own.
func (k *Keeper) read(ctx context.Context) (rows []*conf.Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ids, alike := map[string]bool{}, false
	for r, err := range k.Reader.Rows(ctx) {
		if err != nil {
			return nil, err
		}
		if len(rows) == conf.MaxRows {
			return nil, fmt.Errorf("there are more than %d rows", conf.MaxRows)
		}
		alike = alike || ids[r.ID] || anonymous(r)
		for n, id := 2, r.ID; ids[r.ID]; n++ {
			r.ID = fmt.Sprintf("%s (%d)", id, n)
		}
		ids[r.ID] = true
		rows = append(rows, r)
	}
	k.mu.Lock()
	k.alike = alike
	k.mu.Unlock()
	return rows, ctx.Err()
}

// take makes the rows the set in use, unless that is too little. whole: all were read.
func (k *Keeper) take(rows []*conf.Row, version string, whole bool) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.few && 2*len(rows) < len(k.set.Rows) {
		k.set.State.Fewer = len(rows)
		return false, fmt.Errorf("%w: %d, and there were %d; if that is meant: mailretr source accept %s",
			ErrFewer, len(rows), len(k.set.Rows), k.Source.Name)
	}
	k.marked(rows, k.Now())
	before, now := make(map[string]*conf.Row, len(k.set.Rows)), k.Now()
	for _, r := range k.set.Rows {
		before[r.ID] = r
		if r.Since.After(now) { // the clock was set back, which makes nobody the first
			now = r.Since.Add(1)
		}
	}
	changed = len(rows) != len(k.set.Rows) || !k.set.Good
	for i, r := range rows {
		switch old := before[r.ID]; {
		case old == r:
		case old != nil && old.Equal(r):
			rows[i] = old
		case old != nil && old.Place() == r.Place():
			r.Since = old.Since
		case k.set.Good: // else all came at once, and their order counts
			r.Since = now
		}
		changed = changed || rows[i] != k.set.Rows[i]
	}
	k.settled = k.set.Good && k.set.Version == version
	k.set.Rows, k.set.Version, k.set.Good, k.set.State.Fewer = rows, version, true, 0
	if whole {
		k.full = k.Now()
	}
	return changed, nil
}

// judge takes in how a look ended, saves what is worth it, and tells.
func (k *Keeper) judge(ctx context.Context, err error, changed bool) error {
	k.mu.Lock()
	s := &k.set.State
	was, few := s.Wrong, k.fewer
	switch now := k.Now(); {
	case err == nil:
		s.Read, s.Wrong, s.Since, s.Fewer = now, "", time.Time{}, 0
	default:
		if s.Wrong == "" {
			s.Since = now
		}
		s.Wrong = err.Error()
	}
	if !errors.Is(err, ErrFewer) {
		s.Fewer = 0
	}
	k.fewer = s.Fewer > 0 || errors.Is(err, ErrFewer)
	// The text of an error may have something else in it each time, such as our port: that is no news.
	tell, save := (was == "") != (s.Wrong == "") || few != k.fewer, changed || (was == "") != (s.Wrong == "")
	k.mu.Unlock()
	if save {
		if failed := k.save(ctx); failed != nil {
			err = errors.Join(err, fmt.Errorf("the set was not saved, and a restart would begin with an older one: %w", failed))
			tell = true
		}
	}
	if tell && k.Told != nil {
		k.Told(k.State(), err)
	}
	return err
}
