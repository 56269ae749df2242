package badger

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailretr/store"
	"mailretr/store/mail"
)

// restoringName is a file that is there as long as a restore is not whole: no state is opened beside it.
const restoringName = "restoring"

// pairsName is where the pairs of the database lie until the whole backup was read and found sound.
const pairsName = "restoring.db"

// ErrNotEmpty says that there is a state already where a backup was to be restored.
var ErrNotEmpty = errors.New("there is something in the directory already")

// A Restore says how a backup becomes a state.
type Restore struct {
	Dir   string   // state directory: missing, empty, or left by a restore that was interrupted
	Files []string // further files that Backup was told of
	// Release leaves messages as they were. Otherwise they are held, because each may have been delivered since.
	Release bool
	Tell    func(messages int) // how many were read; may be nil
}

// whyRestored is shown with each message that a restore holds.
const whyRestored = "restored from a backup: it would be delivered twice if it was delivered since the backup was made"

// Restore makes a state of a backup. IDs, marks, notes and the schedule are those of the backup. Nobody may know better,
// so the state counts as rebuilt: maildrops that keep their mail upstream wait for somebody's word. All of the backup is
// read and compared with its check sum before there is a state; an error, or a kill, leaves none. Afterwards everything
// is durable.
func (x Restore) Restore(ctx context.Context, r io.Reader) (m Manifest, err error) {
	e := &Engine{opt: Options{Dir: x.Dir}.withDefaults()}
	if e.codec, err = newCodec(); err != nil {
		return m, err
	}
	if err := os.MkdirAll(x.Dir, 0o700); err != nil {
		return m, fmt.Errorf("making the state directory: %w", err)
	}
	if err := checkDir(x.Dir); err != nil {
		return m, fmt.Errorf("the state directory cannot be used: %w", err)
	}
	if e.lock, err = lockState(x.Dir); err != nil {
		return m, err
	}
	defer e.lock.Close()
	if err := x.clear(); err != nil {
		return m, err
	}
	if e.state, err = os.OpenRoot(x.Dir); err != nil {
		return m, err
	}
	defer e.state.Close()
	if err := e.openSpoolDir(); err != nil {
		return m, err
	}
	defer e.spool.close()
	if e.sync.whole != nil {
		defer e.sync.whole.Close()
	}
	in := &incoming{e: e, x: &x, ctx: ctx, sum: newDigest()}
	if m, err = in.read(r); err == nil {
		err = in.load()
	}
	if err == nil {
		err = in.finish()
	}
	if err != nil {
		if in.pairs != nil {
			in.pairs.Close()
		}
		return m, errors.Join(err, x.clear(), os.Remove(filepath.Join(x.Dir, restoringName)))
	}
	return m, nil
}

// clear makes sure that the directory is empty but for the lock and the mark of a restore, which it makes.
func (x *Restore) clear() error {
	mark := filepath.Join(x.Dir, restoringName)
	_, err := os.Lstat(mark)
	interrupted := err == nil
	list, err := os.ReadDir(x.Dir)
	if err != nil {
		return err
	}
	for _, f := range list {
		switch name := f.Name(); {
		case name == "lock" || name == restoringName:
		case !interrupted:
			return fmt.Errorf("%s: %w: %s", x.Dir, ErrNotEmpty, mail.Printable(name, 100))
		default:
			if err := os.RemoveAll(filepath.Join(x.Dir, name)); err != nil {
				return err
			}
		}
	}
	f, err := os.OpenFile(mark, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(x.Dir))
}

// An incoming backup is read once, from beginning to end, as a stranger's.
type incoming struct {
	e      *Engine
	x      *Restore
	ctx    context.Context
	sum    digest
	pairs  *os.File
	pieces int
	files  int
	octets int64
}

// read takes all files in and compares them with the manifest.
func (in *incoming) read(r io.Reader) (m Manifest, err error) {
	t := tar.NewReader(bufio.NewReaderSize(r, 256<<10))
	if err := in.head(t); err != nil {
		return m, err
	}
	path := filepath.Join(in.x.Dir, pairsName)
	if in.pairs, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return m, err
	}
	for {
		h, err := t.Next()
		if err == io.EOF {
			return m, errors.New("the backup is cut off: it has no end")
		}
		if err != nil {
			return m, fmt.Errorf("reading the backup: %w", err)
		}
		if err := in.ctx.Err(); err != nil {
			return m, err
		}
		if h.Name == backupManifest {
			return in.manifest(t)
		}
		if err := in.file(h, t); err != nil {
			return m, err
		}
	}
}

// head reads what it is.
func (in *incoming) head(t *tar.Reader) error {
	var head Head
	h, err := t.Next()
	if err != nil || h.Name != backupHead {
		return errors.New("this is no backup of mailretr")
	}
	if err := json.NewDecoder(io.LimitReader(t, backupSmall)).Decode(&head); err != nil {
		return fmt.Errorf("this is no backup of mailretr: %w", err)
	}
	return head.check()
}

func (in *incoming) manifest(t *tar.Reader) (m Manifest, err error) {
	if err := json.NewDecoder(io.LimitReader(t, backupSmall)).Decode(&m); err != nil {
		return m, fmt.Errorf("the end of the backup cannot be read: %w", err)
	}
	if m.SHA256 != hex.EncodeToString(in.sum.Sum(nil)) || m.Octets != in.octets {
		return m, errors.New("the backup is damaged: its SHA-256 is not what its end says")
	}
	return m, nil
}

// file takes one file in, if it is one that a backup has.
func (in *incoming) file(h *tar.Header, t io.Reader) error {
	if h.Typeflag != tar.TypeReg || h.Size < 0 {
		return fmt.Errorf("the backup has %q, which is no file", h.Name)
	}
	if err := in.e.room(h.Size); err != nil {
		return err
	}
	in.sum.file(h.Name, h.Size)
	from := io.TeeReader(t, in.sum)
	if rest, ok := strings.CutPrefix(h.Name, "spool/"); ok {
		id, err := parseRef(store.BodyRef(rest))
		if err != nil {
			return fmt.Errorf("the backup has %q: %w", h.Name, err)
		}
		in.octets += h.Size
		return in.body(id, from)
	}
	if h.Name == fmt.Sprintf("db/%06d", in.pieces+1) {
		in.pieces++
		_, err := io.Copy(in.pairs, from)
		return err
	}
	if h.Size <= backupSmall && (h.Name == "format" || slices.Contains(in.x.Files, h.Name)) {
		return in.make(in.e.state, h.Name, from)
	}
	return fmt.Errorf("the backup has %q, which does not belong there", h.Name)
}

// body takes the file of a message.
func (in *incoming) body(id mail.ID, r io.Reader) error {
	d, err := in.e.spool.get(shardOf(id))
	if err != nil {
		return err
	}
	defer in.e.spool.put(d)
	if err := in.make(d.root, id.String(), r); err != nil {
		return err
	}
	if in.files++; in.x.Tell != nil {
		in.x.Tell(in.files)
	}
	if in.e.sync.whole != nil {
		return nil
	}
	return d.sync()
}

// make makes a file, durably where finish does not do that for all at once. One that is there is an error, and no link is
// followed.
func (in *incoming) make(root *os.Root, name string, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, r); err == nil && in.e.sync.whole == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// load makes a database of the pairs.
func (in *incoming) load() error {
	if _, err := in.pairs.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if known, err := in.e.readFormat(); err != nil || !known {
		return errors.Join(errors.New("the backup has no usable file format"), err)
	}
	if err := in.e.tryOpen(); err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	err := in.fill()
	return errors.Join(err, in.e.db.Close())
}

// fill writes the pairs.
func (in *incoming) fill() error {
	r := bufio.NewReaderSize(in.pairs, 64<<10)
	txn := in.e.db.NewTransaction(true)
	defer func() { txn.Discard() }()
	var size, count int64
	put := func(o op) error {
		n := sizeOf([]op{o})
		if size+n > in.e.db.MaxBatchSize()/2 || count+1 > in.e.db.MaxBatchCount()/2 {
			if err := txn.Commit(); err != nil {
				return err
			}
			txn, size, count = in.e.db.NewTransaction(true), 0, 0
		}
		size, count = size+n, count+1
		return write(txn, []op{o})
	}
	for {
		o, err := readOp(r, 2*maxRecord)
		if err == io.EOF {
			break
		}
		if err == nil {
			o, err = in.restored(o)
		}
		if err == nil && o.key != nil {
			err = put(o)
		}
		if err != nil {
			return fmt.Errorf("the records of the backup: %w", err)
		}
	}
	text, err := in.e.opt.Now().MarshalText()
	if err == nil {
		err = put(op{[]byte(keyRebuilt), text})
	}
	if err != nil {
		return err
	}
	return txn.Commit()
}

// restored is what becomes of a pair; no key: nothing.
func (in *incoming) restored(o op) (op, error) {
	switch table := string(o.key[:2]); table {
	case "c/", "f/", "u/", "v/", "n/", "s/":
		if !wellFormed(o) {
			return op{}, fmt.Errorf("a pair of the table %q is not as this program writes it", table)
		}
		if table == "s/" && !in.x.Release {
			return op{}, nil // what is held has no place in the schedule
		}
		return o, nil
	case "k/":
		if string(o.key) == keyHash {
			return o, nil
		}
	case "m/":
		if len(o.key) == len("m/")+len(mail.ID{}) {
			return in.record(o)
		}
	}
	return op{}, fmt.Errorf("a key of the table %q does not belong there", o.key[:2])
}

// record holds a record, unless it is held already.
func (in *incoming) record(o op) (op, error) {
	r, _, err := in.e.codec.parseRecord(o.value)
	if err != nil {
		return o, err
	}
	if r.ID != idOf(o.key) || r.Body != "" && r.Body != refOf(r.ID) {
		return o, errRecord
	}
	if in.x.Release || r.Held() {
		return o, nil
	}
	r.Hold, r.HoldWhy = store.HoldRestored, whyRestored
	o.value, err = in.e.codec.record(&r)
	return o, err
}

// finish makes all of it durable, and a state.
func (in *incoming) finish() error {
	if err := errors.Join(in.pairs.Close(), os.Remove(filepath.Join(in.x.Dir, pairsName))); err != nil {
		return err
	}
	for _, name := range []string{"db", "spool", "."} {
		if err := syncDir(filepath.Join(in.x.Dir, name)); err != nil {
			return err
		}
	}
	if whole := in.e.sync.whole; whole != nil {
		if err := syncAll(whole); err != nil {
			return fmt.Errorf("making what was restored durable: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(in.x.Dir, restoringName)); err != nil {
		return err
	}
	return syncDir(in.x.Dir)
}
