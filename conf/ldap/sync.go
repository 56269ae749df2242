package ldap

import (
	"context"
	"errors"
	"maps"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// refreshRequired is e-syncRefreshRequired (RFC 4533, 2.3): the cookie is not known any more.
const refreshRequired = 4096

// synchronise asks what has changed since a cookie was given (RFC 4533, refreshOnly); without one, all is read.
func (v *view) synchronise(ctx context.Context, c *conn, cookie []byte) (changed bool, err error) {
	s := newSyncing(cookie, v.entries)
	err = s.run(ctx, c, v.request(v.filter, v.names))
	if cookie != nil && (ldap.IsErrorWithCode(err, refreshRequired) || ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform)) {
		return v.synchronise(ctx, c, nil)
	}
	if err != nil {
		return false, err
	}
	changed = !v.synced || !maps.EqualFunc(v.entries, s.entries, (*entry).same)
	v.entries, v.cookie, v.from, v.synced = s.entries, s.cookie, c.from, true
	return changed, nil
}

// syncing is one answer.
type syncing struct {
	entries map[string]*entry // by entryUUID, in the end what there is
	present map[string]bool   // of those before, the ones that still are
	phase   bool              // those that were not named are gone
	cookie  []byte
	done    bool
}

func newSyncing(cookie []byte, entries map[string]*entry) *syncing {
	s := &syncing{entries: map[string]*entry{}, present: map[string]bool{}, phase: cookie != nil, cookie: cookie}
	if cookie != nil {
		maps.Copy(s.entries, entries)
	}
	return s
}

func (s *syncing) run(ctx context.Context, c *conn, r *ldap.SearchRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := c.Syncrepl(ctx, r, 64, ldap.SyncRequestModeRefreshOnly, s.cookie, false)
	for answer.Next() {
		if err := s.take(answer); err != nil {
			cancel() // before the end: the library would wait for somebody to take the next entry
			c.end()  // the rest of the answer is on its way
			return err
		}
	}
	switch {
	case answer.Err() != nil:
		return answer.Err()
	case !s.done: // the library ends without an error when the connection is lost early
		return ldap.NewError(ldap.ErrorNetwork, errors.New("the answer breaks off"))
	}
	return nil
}

// take takes in one message of the answer. Referrals are not followed.
func (s *syncing) take(m ldap.Response) error {
	for _, control := range m.Controls() {
		var err error
		switch x := control.(type) {
		case *ldap.ControlSyncState:
			err = s.state(m.Entry(), x)
		case *ldap.ControlSyncInfo:
			s.info(x)
		case *ldap.ControlSyncDone:
			s.finish(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *syncing) state(e *ldap.Entry, x *ldap.ControlSyncState) error {
	id := x.EntryUUID.String()
	s.keep(x.Cookie)
	switch {
	case e == nil:
		return errors.New("the state of an entry comes without it")
	case x.State == ldap.SyncStateDelete:
		delete(s.entries, id)
		return nil
	case x.State != ldap.SyncStatePresent:
		s.entries[id] = entryOf(e)
	}
	s.present[id] = true
	if len(s.entries) > conf.MaxRows || len(s.present) > 2*conf.MaxRows {
		return errMany
	}
	return nil
}

func (s *syncing) info(x *ldap.ControlSyncInfo) {
	switch {
	case x.NewCookie != nil:
		s.keep(x.NewCookie.Cookie)
	case x.RefreshDelete != nil:
		s.keep(x.RefreshDelete.Cookie)
	case x.RefreshPresent != nil: // the names of what still is have come to their end, and deletions follow
		s.keep(x.RefreshPresent.Cookie)
		s.sweep()
	case x.SyncIdSet != nil:
		s.keep(x.SyncIdSet.Cookie)
		for _, id := range x.SyncIdSet.SyncUUIDs {
			if x.SyncIdSet.RefreshDeletes {
				delete(s.entries, id.String())
			} else if s.entries[id.String()] != nil {
				s.present[id.String()] = true
			}
		}
	}
}

func (s *syncing) finish(x *ldap.ControlSyncDone) {
	s.keep(x.Cookie)
	s.done = true
	if !x.RefreshDeletes {
		s.sweep()
	}
}

// sweep removes what was not named, once.
func (s *syncing) sweep() {
	if s.phase {
		maps.DeleteFunc(s.entries, func(id string, _ *entry) bool { return !s.present[id] })
	}
	s.phase = false
}

func (s *syncing) keep(cookie []byte) {
	if len(cookie) > 0 && len(cookie) <= maxControls {
		s.cookie = cookie
	}
}
