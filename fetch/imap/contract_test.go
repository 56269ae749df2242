package imap

import (
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

func harness(t *testing.T, change func(*server, *Retriever)) fetchtest.Harness {
	s := newServer(t)
	return fetchtest.Harness{
		Can: fetchtest.Can{Line: true, List: true, Again: true, Deletes: true, Raw: true, Ahead: true,
			Release: true, Gone: true, Glance: true, Resume: true},
		Put:   func(octets ...[]byte) { s.put("INBOX", octets...) },
		Clear: func() { s.mu.Lock(); s.folders["INBOX"].letters = nil; s.mu.Unlock() },
		Left:  func() [][]byte { return s.left("INBOX") },
		Lie: func(size int64) {
			s.mu.Lock()
			s.size = func(*letter) int64 { return size }
			s.mu.Unlock()
		},
		Retriever: func(l *fetchtest.Line) mail.Retriever {
			r := s.retriever(l)
			r.Limits.Close = 5 * time.Second
			if change != nil {
				change(s, r)
			}
			return r
		},
	}
}

func TestContract(t *testing.T) {
	fetchtest.Run(t, func(t *testing.T) fetchtest.Harness { return harness(t, nil) })
}

// TestContractNarrow: a window smaller than most messages, so that nearly all of them are streamed one by
// one.
func TestContractNarrow(t *testing.T) {
	fetchtest.Run(t, func(t *testing.T) fetchtest.Harness {
		return harness(t, func(_ *server, r *Retriever) { r.Limits.Window = 500 })
	})
}

// TestContractOldServer: no ESEARCH, no UIDPLUS, no SASL-IR.
func TestContractOldServer(t *testing.T) {
	fetchtest.Run(t, func(t *testing.T) fetchtest.Harness {
		return harness(t, func(s *server, r *Retriever) {
			s.mu.Lock()
			s.caps = "IMAP4rev1"
			s.mu.Unlock()
			r.Auth = Plain
		})
	})
}

// TestContractCompressed: everything that is asked of messages comes compressed.
func TestContractCompressed(t *testing.T) {
	fetchtest.Run(t, func(t *testing.T) fetchtest.Harness {
		return harness(t, func(s *server, r *Retriever) {
			s.mu.Lock()
			s.caps = goodCaps + " COMPRESS=DEFLATE"
			s.mu.Unlock()
			r.Limits.Compress = 1
		})
	})
}

// TestContractRemembered: login, listing and sizes in one round trip.
func TestContractRemembered(t *testing.T) { remembered(t, true) }

// TestContractIdle: login and the state of the folder in one, which is opened only if it has changed.
func TestContractIdle(t *testing.T) { remembered(t, false) }

func remembered(t *testing.T, busy bool) {
	fetchtest.Run(t, func(t *testing.T) fetchtest.Harness {
		return harness(t, func(_ *server, r *Retriever) {
			r.Memory = &Memory{Caps: []string{"ESEARCH"}, Folders: map[string]State{"INBOX": {UIDNext: 1}}, Busy: busy}
		})
	})
}
