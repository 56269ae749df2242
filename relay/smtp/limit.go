package smtp

import (
	"fmt"
	"strconv"
	"strings"

	"mailretr/store/mail"
)

// offered returns a limit that the server announces (RFC 9422); 0: it does not, or says nothing that can be used.
func (s *session) offered(name string) int {
	_, all := s.smtp.Extension("LIMITS")
	for _, l := range strings.Fields(all) {
		k, v, _ := strings.Cut(l, "=")
		if n, err := strconv.Atoi(v); err == nil && n > 0 && len(v) <= 6 && strings.EqualFold(k, name) {
			return n
		}
	}
	return 0
}

// least returns the smallest of those that are set.
func least(limits ...int) (n int) {
	for _, l := range limits {
		if l > 0 && (n == 0 || l < n) {
			n = l
		}
	}
	return n
}

// few returns those who go into this transaction: as many as the server takes. The others were not asked, and their
// turn comes when the message does again, after what was said to these is durable.
func (a *attempt) few(s *session, ready []int) []int {
	most := least(a.c.o.Recipients, s.offered("RCPTMAX"), s.learned)
	a.later, a.taken = nil, false
	domains, mostDomains := map[string]bool{}, s.offered("RCPTDOMAINMAX")
	for n, i := range ready {
		domain := strings.ToLower(a.m.Envelope.Recipients[i].Forward.Domain())
		if mostDomains > 0 && !domains[domain] && len(domains) == mostDomains || most > 0 && n == most {
			a.each(ready[n:], mail.Result{Scope: mail.OfSession, RemoteMTA: s.host, After: mail.OpRcpt,
				Err: fmt.Errorf("not asked yet: the server takes %d recipients at once", n)})
			a.later = ready[n:]
			return ready[:n]
		}
		domains[domain] = true
	}
	return ready
}

// next says whether those who did not go into this transaction are asked now, because nobody was accepted in it. They
// are not to wait behind recipients who may be deferred for days.
func (a *attempt) next() bool {
	if len(a.later) == 0 || a.taken {
		return false
	}
	a.todo, a.later = a.later, nil
	return true
}

// full notes at how many recipients the server said that they were too many.
func (a *attempt) full(s *session, took int) {
	s.learned, a.many = max(took, 1), true
	a.c.shared.learn(s.key, took, a.c.o.Now())
}
