package ldap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
)

// told is one message of a server that synchronises.
type messageOf struct {
	ldap.Response
	e *ldap.Entry
	c ldap.Control
}

func (m messageOf) Entry() *ldap.Entry       { return m.e }
func (m messageOf) Controls() []ldap.Control { return []ldap.Control{m.c} }

func id(n byte) uuid.UUID { return uuid.UUID{n} }

func state(s ldap.ControlSyncStateState, n byte, value string) messageOf {
	return messageOf{e: ldap.NewEntry(fmt.Sprintf("cn=%d", n), map[string][]string{"x": {value}}),
		c: &ldap.ControlSyncState{State: s, EntryUUID: id(n)}}
}

func ids(deletes bool, all ...byte) messageOf {
	var list []uuid.UUID
	for _, n := range all {
		list = append(list, id(n))
	}
	return messageOf{c: &ldap.ControlSyncInfo{SyncIdSet: &ldap.ControlSyncInfoSyncIdSet{RefreshDeletes: deletes, SyncUUIDs: list}}}
}

func end(deletes bool) messageOf {
	return messageOf{c: &ldap.ControlSyncDone{RefreshDeletes: deletes, Cookie: []byte("next")}}
}

// The phases of RFC 4533, 3.3: entries that are still there are named, or those that are not, or the one and then the other.
func TestSynchronise(t *testing.T) {
	phase := messageOf{c: &ldap.ControlSyncInfo{RefreshPresent: &ldap.ControlSyncInfoRefreshPresent{}}}
	add, modify, present, gone := ldap.SyncStateAdd, ldap.SyncStateModify, ldap.SyncStatePresent, ldap.SyncStateDelete
	for _, x := range []struct {
		what   string
		cookie string
		said   []messageOf
		want   string
	}{
		{"all", "", []messageOf{state(add, 4, "d"), state(add, 5, "e"), end(false)}, "4=d 5=e"},
		{"nothing", "c", []messageOf{end(true)}, "1=a 2=b 3=c"},
		{"those that are", "c", []messageOf{state(present, 1, ""), state(modify, 2, "B"), end(false)}, "1=a 2=B"},
		{"a set of those that are", "c", []messageOf{state(add, 4, "d"), ids(false, 1, 3, 9), end(false)}, "1=a 3=c 4=d"},
		{"those that are not", "c", []messageOf{state(gone, 1, ""), ids(true, 3), state(modify, 2, "B"), end(true)}, "2=B"},
		{"the one and then the other", "c", []messageOf{ids(false, 1, 2), phase, state(add, 4, "d"), ids(true, 2), end(true)}, "1=a 4=d"},
		{"none", "c", []messageOf{end(false)}, ""},
	} {
		before := map[string]*entry{}
		for n, v := range []string{"a", "b", "c"} {
			before[id(byte(n+1)).String()] = entryOf(state(add, byte(n+1), v).e)
		}
		s := newSyncing([]byte(x.cookie), before)
		if x.cookie == "" {
			s = newSyncing(nil, before)
		}
		for _, m := range x.said {
			if err := s.take(m); err != nil {
				t.Errorf("%s: %v", x.what, err)
			}
		}
		var got []string
		for _, e := range slices.SortedFunc(maps.Values(s.entries), func(a, b *entry) int { return strings.Compare(a.dn, b.dn) }) {
			got = append(got, strings.TrimPrefix(e.dn, "cn=")+"="+first(e.values["x"]))
		}
		if strings.Join(got, " ") != x.want || !s.done || string(s.cookie) != "next" || len(before) != 3 {
			t.Errorf("%s: %q, %v %q", x.what, got, s.done, s.cookie)
		}
	}
}
