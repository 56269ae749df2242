package badger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store/mail"
)

// formatVersion is the version of the whole state. A program refuses what a newer one has written, before it
// touches anything; what an older one has written is raised to it when it is opened.
//
//	1   as it began
//	2   the file endings says what has ended: who does not read it would deliver that again. A file that a note
//	    of store.SpaceSplit names is nobody's
const formatVersion = 2

// ErrNewer says that a newer version has written the state: this one has changed nothing, and never will be able to.
var ErrNewer = errors.New("written by a newer version")

// Keys of what the engine keeps about itself.
const (
	keyHash       = "k/hash"       // key of the hashes, as in the file format
	keyRebuilding = "k/rebuilding" // a rebuild is under way
	keyRebuilt    = "k/rebuilt"    // when the last one ended, RFC 3339
	keyTold       = "k/told"       // number of the last ending that is known here, eight octets
)

func (e *Engine) formatName() string { return filepath.Join(e.opt.Dir, "format") }

// readFormat reads version and key. known is false where there is no such file yet.
func (e *Engine) readFormat() (known bool, err error) {
	b, err := os.ReadFile(e.formatName())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	lines := strings.Split(string(b), "\n")
	version, ok := strings.CutPrefix(lines[0], "mailretr state ")
	n, err := strconv.Atoi(version)
	if !ok || err != nil {
		return false, fmt.Errorf("%s is not a file of this program; nothing was changed", e.formatName())
	}
	if n > formatVersion {
		return false, fmt.Errorf("the state in %s was %w (format %d, this one knows up to "+
			"%d): install that version or a newer one; nothing was changed", e.opt.Dir, ErrNewer, n, formatVersion)
	}
	e.older = n < formatVersion
	for _, l := range lines[1:] {
		if text, ok := strings.CutPrefix(l, "key "); ok {
			key, err := hex.DecodeString(text)
			if err == nil && len(key) == len(e.hash) {
				e.hash = hasher(key)
				return true, nil
			}
		}
	}
	return false, nil // cut short: written anew from the key in the database
}

func (e *Engine) writeFormat() error {
	text := fmt.Sprintf("mailretr state %d\nkey %s\n", formatVersion, hex.EncodeToString(e.hash[:]))
	return e.replace(e.formatName(), func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// replace writes a file that others replace as a whole: a crash leaves the old one or the new one.
func (e *Engine) replace(name string, write func(io.Writer) error) error {
	tmp := name + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(filepath.Dir(name))
}

// settings makes the key of the hashes one in all places where it is kept, and says whether a rebuild is
// under way, the one that begins now or one that was interrupted.
func (e *Engine) settings(known bool, rebuild *bool) error {
	var kept, rebuilt []byte
	rebuilding := false
	err := e.db.View(func(txn *badger.Txn) (err error) {
		if kept, err = getCopy(txn, keyHash); err != nil {
			return err
		}
		if rebuilt, err = getCopy(txn, keyRebuilt); err != nil {
			return err
		}
		flag, err := getCopy(txn, keyRebuilding)
		rebuilding = flag != nil
		return err
	})
	if err != nil {
		return err
	}
	if rebuilt != nil {
		if err := e.rebuilt.UnmarshalText(rebuilt); err != nil {
			e.rebuilt = time.Unix(0, 0) // that there was one is what counts
		}
	}
	*rebuild = *rebuild || rebuilding
	switch {
	case known:
	case len(kept) == len(e.hash):
		e.hash = hasher(kept)
	case !e.hashOfSnapshot():
		if _, err := io.ReadFull(e.opt.Random, e.hash[:]); err != nil {
			return err
		}
	}
	if !known || e.older {
		if err := e.writeFormat(); err != nil {
			return err
		}
	}
	if string(kept) == string(e.hash[:]) && *rebuild == rebuilding {
		return nil
	}
	if kept != nil && string(kept) != string(e.hash[:]) {
		e.alarm(mail.OpStore, "the file format and the database have different keys; the file's is used, and mail "+
			"that was collected before may be collected again", nil)
	}
	return e.db.Update(func(txn *badger.Txn) error {
		ops := []op{{[]byte(keyHash), append([]byte{}, e.hash[:]...)}}
		if *rebuild {
			ops = append(ops, op{[]byte(keyRebuilding), []byte{}})
		}
		return write(txn, ops)
	})
}

// getCopy reads a small value; nil if it is not there.
func getCopy(txn *badger.Txn, key string) ([]byte, error) {
	item, err := txn.Get([]byte(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := item.ValueCopy(nil)
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

// diedTooOften is how often in a row the process may die while the database is opened before it is moved
// aside. A full disk is not counted: it was made sure that there is space.
const diedTooOften = 4

func (e *Engine) openingName() string { return filepath.Join(e.opt.Dir, "opening") }

// diedOpening says how often in a row the process has died while it opened the database.
func (e *Engine) diedOpening() int {
	b, err := os.ReadFile(e.openingName())
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

func (e *Engine) countOpening() error {
	return os.WriteFile(e.openingName(), []byte(strconv.Itoa(e.diedOpening()+1)+"\n"), 0o600)
}
