package conf

import (
	"fmt"
	"slices"
)

// A Mirroring says of which maildrops the status is written into the table mailretr_status of a source's database.
type Mirroring uint8

const (
	MirrorNone Mirroring = iota
	MirrorOwn            // of those whose rows stand there
	MirrorAll
)

var mirrorings = []string{MirrorNone: "none", MirrorOwn: "own", MirrorAll: "all"}

// ParseMirroring reads none, own or all.
func ParseMirroring(s string) (Mirroring, error) {
	i := slices.Index(mirrorings, s)
	if i < 0 {
		return MirrorNone, fmt.Errorf("%q is not known; write none, own or all", s)
	}
	return Mirroring(i), nil
}

// String writes it as ParseMirroring reads it.
func (m Mirroring) String() string { return mirrorings[m] }

// Boards are the presets whose tables have columns in which the users of a panel look for how their maildrops are.
var Boards = []string{"postfixadmin", "mailu", "mailcow"}

// Yields says whether a source has rows, as opposed to one into which is only written.
func (s *Source) Yields() bool { return s.Asked() && (s.SQL == nil || s.SQL.Preset+s.SQL.Query != "") }

// Mirrored returns the sources into whose databases is written how maildrops are.
func (c *Config) Mirrored() (all []*Source) {
	for _, s := range c.Asked() {
		if s.SQL != nil && (s.SQL.Status != MirrorNone || s.SQL.WriteBack) {
			all = append(all, s)
		}
	}
	return all
}

func (v *validator) mirrored(s *Source) {
	q := s.SQL
	switch {
	case q.Status != MirrorNone && s.Kind == "sqlite":
		v.fail(s.At.Of("status"), "remove it", "status: a database of sqlite is only read")
	case q.Status == MirrorOwn && !s.Yields():
		v.fail(s.At.Of("status"), "write status: all", "status: own: there are no rows without preset or query")
	}
	switch {
	case !q.WriteBack:
	case s.Kind == "sqlite":
		v.fail(s.At.Of("write_back"), "remove it", "write_back: a database of sqlite is only read")
	case !slices.Contains(Boards, q.Preset):
		v.fail(s.At.Of("write_back"), "write status: own, for a table of its own",
			"write_back: no column for a status is known of this table, only of those of postfixadmin, mailu and mailcow")
	}
}
