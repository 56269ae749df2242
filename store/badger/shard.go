package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"mailretr/store"
	"mailretr/store/mail"
)

// The spool has 256 directories. Which one a body goes to depends on the minute of its ID, not on chance: so
// those that are made durable together share a directory, one fsync serves them all, and few are open.

// openShards bounds the directories that are kept open.
const openShards = 8

// shardOf returns the directory of an ID: it changes every 69 seconds and comes round after five hours.
func shardOf(id mail.ID) byte { return byte(binary.BigEndian.Uint64(id[:8]) >> 36) }

// refOf names the body of an ID: two hexadecimal digits, a slash, and the ID. A record has no other body.
func refOf(id mail.ID) store.BodyRef {
	var b [3 + mail.IDLen]byte
	n := shardOf(id)
	b[0], b[1], b[2] = hexDigits[n>>4], hexDigits[n&15], '/'
	copy(b[3:], id.String())
	return store.BodyRef(b[:])
}

const hexDigits = "0123456789abcdef"

var errRef = errors.New("store: this is no reference to a body")

// parseRef takes a reference apart. It cannot name anything outside of the spool: what does not come from
// refOf is refused.
func parseRef(ref store.BodyRef) (mail.ID, error) {
	if len(ref) != 3+mail.IDLen {
		return mail.ID{}, errRef
	}
	id, err := mail.ParseID(string(ref[3:]))
	if err != nil || refOf(id) != ref {
		return mail.ID{}, errRef
	}
	return id, nil
}

// A shard is one directory of the spool, held open so that what is done in it cannot be led elsewhere by a
// link.
type shard struct {
	root  *os.Root
	dir   *os.File // the same, for fsync
	users int      // under shards.mu
	gone  bool     // to be closed with the last user
}

func (s *shard) sync() error { return s.dir.Sync() }

func (s *shard) close() {
	s.root.Close()
	s.dir.Close()
}

// shards opens the directories of the spool, and keeps the last few open.
type shards struct {
	root *os.Root // spool
	path string

	mu    sync.Mutex
	open  map[byte]*shard
	order []byte // least recently opened first
}

func openSpool(state *os.Root, dir string) (*shards, error) {
	root, err := state.OpenRoot("spool")
	if err != nil {
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	return &shards{root: root, path: filepath.Join(dir, "spool"), open: make(map[byte]*shard)}, nil
}

// get returns a directory, made if it is missing. The caller puts it back.
func (s *shards) get(n byte) (*shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.open[n]; x != nil {
		x.users++
		return x, nil
	}
	x, err := s.openShard(fmt.Sprintf("%02x", n))
	if err != nil {
		return nil, err
	}
	if len(s.order) >= openShards {
		old := s.order[0]
		s.order = append(s.order[:0], s.order[1:]...)
		s.drop(s.open[old])
		delete(s.open, old)
	}
	x.users++
	s.open[n] = x
	s.order = append(s.order, n)
	return x, nil
}

func (s *shards) openShard(name string) (*shard, error) {
	err := s.root.Mkdir(name, 0o700)
	switch {
	case err == nil:
		if err := syncDir(s.path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	default:
		if err := checkDir(filepath.Join(s.path, name)); err != nil {
			return nil, err
		}
	}
	root, err := s.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	dir, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	return &shard{root: root, dir: dir}, nil
}

func (s *shards) put(x *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.users--; x.users == 0 && x.gone {
		x.close()
	}
}

// drop closes a shard when its last user has put it back.
func (s *shards) drop(x *shard) {
	if x.gone = true; x.users == 0 {
		x.close()
	}
}

func (s *shards) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.open {
		s.drop(x)
	}
	clear(s.open)
	s.order = nil
	s.root.Close()
}

// names returns the IDs that have a file in a directory, and what lies there and is no body of ours.
func (s *shards) names(n byte) (ids []mail.ID, strange []string, err error) {
	shard := fmt.Sprintf("%02x", n)
	err = checkDir(filepath.Join(s.path, shard))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := s.root.Open(shard)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if id, err := mail.ParseID(name); err == nil && id.String() == name && shardOf(id) == n {
			ids = append(ids, id)
		} else {
			strange = append(strange, fmt.Sprintf("%02x/%s", n, name))
		}
	}
	return ids, strange, err
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
