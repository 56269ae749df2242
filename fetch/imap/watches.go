package imap

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"mailretr/store/mail"
)

// Watch waits for news by IDLE (RFC 2177), with one connection for each folder: IDLE tells of the selected one
// alone. No mail crosses them, so they are not compressed. It returns with the first that ends; a folder that
// cannot be opened, which visits leave out as well, is left out.
func (r *Retriever) Watch(ctx context.Context, news func()) error {
	return r.WatchFolders(ctx, 0, news, func(_, _ []string) {})
}

// WatchFolders is Watch with at most so many connections; 0: as many as can be had. They are made one after the other,
// in the order of importance: where the server refuses one because it has enough of them, it has refused that of
// the least important folder.
func (r *Retriever) WatchFolders(ctx context.Context, most int, news func(), holds func(in, out []string)) error {
	folders, err := r.watched(ctx)
	if err != nil {
		return err
	}
	if len(folders) == 1 { // as with most, which need no goroutine of its own
		return r.watchOne(ctx, folders[0], news, holds)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	all := &watches{r: r, news: news, cancel: cancel}
	out, err := all.begin(ctx, r.came.order(folders), most)
	if err == nil {
		holds(all.names, out)
		news() // mail may have come before
		all.running.Wait()
		err = context.Cause(ctx)
	}
	cancel(nil)
	all.running.Wait()
	if t := new(mail.Trouble); errors.As(err, &t) {
		return t
	}
	return nil
}

// watchOne waits in the only folder.
func (r *Retriever) watchOne(ctx context.Context, name string, news func(), holds func(in, out []string)) error {
	w, err := r.watch(ctx, name, news)
	if err == nil {
		holds([]string{name}, nil)
		news() // mail may have come before
		err = w.stay(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watches are the connections of one account that wait.
type watches struct {
	r       *Retriever
	news    func()
	cancel  context.CancelCauseFunc // with the trouble of the first that ends
	running sync.WaitGroup
	names   []string // of the folders in which one waits
	last    func()   // ends the last one, and waits for that
}

// begin begins to wait in the folders, and returns those for which there was no connection. An error is why it is not
// waited at all.
func (a *watches) begin(ctx context.Context, folders []string, most int) (out []string, err error) {
	var closed error
	for i, name := range folders {
		if most > 0 && len(a.names) == most {
			return folders[i:], nil
		}
		err := a.open(ctx, name)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, new(unopened)):
			closed = err
		case crowded(err) && len(a.names) > 1:
			a.last()
			n := len(a.names) - 1
			out = slices.Concat(a.names[n:], folders[i:])
			a.names = a.names[:n]
			return out, nil
		default:
			return nil, err
		}
	}
	if len(a.names) == 0 {
		return nil, closed
	}
	return nil, nil
}

// crowded says whether a server may have let a connection not in because it has as many of ours as it allows.
func crowded(err error) bool {
	t := new(mail.Trouble)
	return errors.As(err, &t) && t.Kind == mail.Busy && t.Op != mail.OpWatch
}

// open makes the connection that waits in one folder. It has nothing to say before it waits.
func (a *watches) open(ctx context.Context, name string) error {
	ctx, stop := context.WithCancel(ctx)
	w, err := a.r.watch(ctx, name, a.news)
	if err != nil {
		stop()
		return err
	}
	a.names = append(a.names, name)
	ended := make(chan struct{})
	a.last = func() { stop(); <-ended }
	a.running.Go(func() {
		defer close(ended)
		defer stop()
		err := w.stay(ctx)
		if ctx.Err() == nil { // else somebody has ended it
			a.cancel(err)
		}
	})
	return nil
}

// recency is when mail has come into folders last, in seconds of Unix, by their names. Safe for concurrent use: a watch
// reads it while a session has Memory in hand.
type recency struct {
	mu   sync.Mutex
	last map[string]int64
}

// learn takes over what is known.
func (c *recency) learn(m *Memory) {
	if m == nil || len(m.Folders) < 2 {
		return
	}
	last := map[string]int64{}
	for name, f := range m.Folders {
		if f.Came > 0 {
			last[name] = f.Came
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = last
}

// order returns folders by importance: INBOX, then those into which mail has come lately, then as they were.
func (c *recency) order(folders []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	rank := func(name string) int64 {
		if strings.EqualFold(name, "INBOX") {
			return math.MaxInt64
		}
		return c.last[name]
	}
	return slices.SortedStableFunc(slices.Values(folders), func(a, b string) int { return cmp.Compare(rank(b), rank(a)) })
}

// watched finds out which folders there are to wait in. A visit may have Memory in hand meanwhile, so a session of its
// own asks where names alone do not say it.
func (r *Retriever) watched(ctx context.Context) ([]string, error) {
	o := r.Options
	switch {
	case len(o.Folders) == 0:
		return []string{"INBOX"}, nil
	case !o.listed():
		return o.Folders, nil
	}
	o.Memory, o.Observe = nil, nil
	d, err := (&Retriever{Options: o}).Open(ctx)
	if err != nil {
		return nil, err
	}
	folders, _ := d.(mail.Coverer).Covers()
	return folders, d.Close()
}
