package pop3

import "sync"

type memory struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (m *memory) Load(k string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.m[k]
	return v, ok
}

func (m *memory) Save(k string, v []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil {
		m.m = map[string][]byte{}
	}
	m.m[k] = v
}
