package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mailretr/conf"
	"mailretr/conf/sql"
	"mailretr/store/status"
)

// The boards to which the status of maildrops is written: our table, and the columns of panels.

// A boarding makes a board.
type boarding struct {
	into string // the table, for people
	kind string // the key that asks for it
	make func() (board, error)
}

// boardsOf are those of a source.
func boardsOf(h *house, s *conf.Source, host string) (all []boarding) {
	if s.SQL.Status != conf.MirrorNone {
		all = append(all, boarding{"mailretr_status", "status", func() (board, error) {
			m, err := sql.NewMirror(*s, host)
			return &statusTable{Mirror: m, entries: entries{h: h}, own: s.SQL.Status == conf.MirrorOwn, source: s.Name}, err
		}})
	}
	if s.SQL.WriteBack {
		all = append(all, boarding{"the columns of " + s.SQL.Preset, "write_back", func() (board, error) {
			p, err := sql.NewPanel(*s)
			return &panelColumns{Panel: p, entries: entries{h: h}, source: s.Name}, err
		}})
	}
	return all
}

// An entry is the row in which a maildrop stands.
type entry struct{ source, id string }

// entries knows them by the names of maildrops, also of those that were left out for a mistake.
type entries struct {
	h      *house
	config *conf.Config // of which byName speaks
	byName map[string]entry
}

func (e *entries) of(maildrop string) entry {
	if c := e.h.config.Load(); c != e.config {
		e.config, e.byName = c, e.h.entries(c)
	}
	return e.byName[maildrop]
}

func (h *house) entries(c *conf.Config) map[string]entry {
	byPlace := map[string]entry{}
	for _, k := range h.sources.all() {
		for _, r := range k.Rows() {
			id := r.Columns["id"]
			if id == "" {
				id = r.ID
			}
			byPlace[k.Source.Place(r).File] = entry{k.Source.Name, id}
		}
	}
	byName := map[string]entry{}
	for i := range c.Maildrops {
		if m := c.Maildrops[i]; m.Row != nil {
			byName[m.Name] = byPlace[m.At.Self.File]
		}
	}
	for _, b := range c.Bad {
		if x, is := byPlace[b.Pos.File]; is {
			byName[b.Name] = x
		}
	}
	return byName
}

// A statusTable is mailretr_status.
type statusTable struct {
	*sql.Mirror
	entries
	source string
	own    bool
}

// Wants says whether a maildrop belongs there.
func (t *statusTable) Wants(maildrop string) bool { return !t.own || t.of(maildrop).source == t.source }

// Put writes maildrops.
func (t *statusTable) Put(ctx context.Context, list []status.Status) error {
	var rows []sql.Status
	for i := range list {
		row, err := t.row(&list[i])
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return t.Mirror.Put(ctx, rows)
}

func (t *statusTable) row(s *status.Status) (sql.Status, error) {
	recent := ""
	if len(s.Recent) > 0 {
		b, err := json.Marshal(s.Recent)
		if err != nil {
			return sql.Status{}, err
		}
		recent = string(b)
	}
	e := t.of(s.Maildrop)
	return sql.Status{
		Maildrop: s.Maildrop, Source: e.source, Row: e.id, State: string(s.State), Words: s.Words, Class: s.Class,
		Advice: s.Advice, Said: s.Said, Cause: s.Cause, Failures: s.Failures,
		Since: s.Since, LastAttempt: s.LastAttempt, LastSuccess: s.LastSuccess, LastMail: s.LastMail, Next: s.Next,
		Waiting: s.Waiting, WaitingOctets: s.WaitingOctets, Collected: s.Total.Messages, CollectedOctets: s.Total.Octets,
		Up: s.Total.Up, Down: s.Total.Down, Saved: s.Total.Saved, Wasted: s.Total.Wasted, Recent: recent,
		Updated: t.h.now(),
	}, nil
}

// panelColumns are those that the table of a panel has for it.
type panelColumns struct {
	*sql.Panel
	entries
	source string
}

// Wants says whether the row of a maildrop stands there.
func (p *panelColumns) Wants(maildrop string) bool { return p.of(maildrop).source == p.source }

// Put writes maildrops; one that was not visited yet, and has no mistake, says nothing.
func (p *panelColumns) Put(ctx context.Context, list []status.Status) error {
	var reports []sql.Report
	for i := range list {
		if s := &list[i]; s.State != status.Never {
			reports = append(reports, sql.Report{ID: p.of(s.Maildrop).id, At: lastAttempt(s), Well: s.State.Well(),
				State: string(s.State), Text: reportOf(s)})
		}
	}
	// Rows are locked in one order, so that nobody waits for us who has what we wait for.
	slices.SortFunc(reports, func(a, b sql.Report) int { return strings.Compare(a.ID, b.ID) })
	return p.Panel.Put(ctx, reports)
}

// lastAttempt is when a maildrop was visited, or was found to have a mistake.
func lastAttempt(s *status.Status) time.Time {
	if s.LastAttempt.IsZero() {
		return s.Since
	}
	return s.LastAttempt
}

// reportOf says how a maildrop is in a few sentences, for a place where there is nothing else.
func reportOf(s *status.Status) string {
	text := s.Words
	switch {
	case s.State.Well():
		text = fmt.Sprintf("%s %d today, %d in all.", text, s.Today.Messages, s.Total.Messages)
		if i := slices.IndexFunc(s.Remarks, func(r status.Remark) bool { return r.Topic == topicRow }); i >= 0 {
			text += " " + s.Remarks[i].Text // who looks here has written it
		}
		return text
	case s.Said != "":
		text += " The server said: " + s.Said + "."
	case s.State == status.Local && s.Cause != "":
		text += " " + s.Cause + "."
	}
	if s.Advice != "" {
		text += " " + s.Advice
	}
	return text
}

// Names are none: the rows are the panel's.
func (p *panelColumns) Names(context.Context) ([]string, error) { return nil, nil }

// Remove does nothing, for the same reason.
func (p *panelColumns) Remove(context.Context, []string) error { return nil }
