package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"mailretr/store/mail"
)

// Open makes this process the owner of the state and opens it, building the database again from the spool if
// it is damaged. What a crash left is in order when it returns: unfinished bodies are gone, finished files
// removed, files without a record adopted, records without a file held.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	if opt.Dir == "" {
		return nil, errors.New("store: no state directory is configured")
	}
	e := &Engine{opt: opt.withDefaults(), tells: make(chan struct{}, 1)}
	e.live.leases, e.live.lanes = make(map[mail.ID]*lease), make(map[mail.Lane]*lane)
	e.live.ended = make(map[mail.ID]struct{})
	e.live.oldest = lastID
	e.staged.m = make(map[mail.ID]*stage)
	if err := e.open(ctx); err != nil {
		return nil, errors.Join(err, e.abandon())
	}
	return e, nil
}

// abandon closes what a failed Open has opened.
func (e *Engine) abandon() error {
	if e.reqs != nil {
		return e.Close()
	}
	return errors.Join(e.closeDB(), e.closeFiles())
}

func (e *Engine) open(ctx context.Context) (err error) {
	if e.codec, err = newCodec(); err != nil {
		return err
	}
	if err := e.openDir(); err != nil {
		return err
	}
	if n, ok := openFiles(); ok && n < fewFiles {
		e.alarm(mail.OpStore, fmt.Sprintf("this process may have only %d files open (ulimit -n); the database "+
			"needs some dozens and ends the process when it gets none: allow %d or more", n, fewFiles), nil)
	}
	known, err := e.readFormat()
	if err != nil {
		return err
	}
	if err := e.openSpoolDir(); err != nil {
		return err
	}
	if err := e.dropBallast(); err != nil {
		return err
	}
	rebuild, err := e.openDatabase()
	if err != nil {
		return err
	}
	if err := e.settings(known, &rebuild); err != nil {
		return err
	}
	e.rebuilding.Store(rebuild)
	if err := e.replayJournal(); err != nil {
		return fmt.Errorf("finishing a commit that was interrupted: %w", err)
	}
	if err := e.replayEndings(rebuild); err != nil {
		return fmt.Errorf("reading which messages had ended: %w", err)
	}
	hold, err := e.live.flight.open(e.opt.Dir, e.opt.BootID, func(err error) { e.tidy(err) })
	if err != nil {
		return err
	}
	e.begin()
	return e.recover(ctx, rebuild, hold)
}

// begin starts the goroutines.
func (e *Engine) begin() {
	e.reqs = make(chan *request, waiting)
	e.committer.start(e)
	e.remover.start(e)
}

// openDir makes the state directory ours: nothing is read before the lock is had.
func (e *Engine) openDir() (err error) {
	dir := e.opt.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	if err := checkDir(dir); err != nil {
		return fmt.Errorf("the state directory cannot be used: %w", err)
	}
	if e.lock, err = lockState(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, restoringName)); err == nil {
		return fmt.Errorf("a restore into %s was interrupted, so half of it is missing: restore it again", dir)
	}
	e.state, err = os.OpenRoot(dir)
	return err
}

func (e *Engine) openSpoolDir() (err error) {
	err = e.state.Mkdir("spool", 0o700)
	if err == nil {
		err = syncDir(e.opt.Dir)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	if err := checkDir(filepath.Join(e.opt.Dir, "spool")); err != nil {
		return fmt.Errorf("the spool cannot be used: %w", err)
	}
	if e.spool, err = openSpool(e.state, e.opt.Dir); err != nil {
		return err
	}
	e.sync.now = e.opt.Now
	if d, err := e.state.Open("spool"); err == nil {
		if e.sync.whole = d; !canSyncAll(d) {
			e.sync.whole = nil
			d.Close()
		}
	}
	return nil
}

func (e *Engine) dbDir() string { return filepath.Join(e.opt.Dir, "db") }

// openDatabase opens Badger. One that is damaged is moved aside, and rebuild says so.
func (e *Engine) openDatabase() (rebuild bool, err error) {
	why := e.inspect()
	if why == "" {
		err := e.tryOpen()
		switch {
		case err == nil:
			return false, nil
		case passing(err):
			return false, fmt.Errorf("opening the database: %w", err)
		}
		why = err.Error()
	}
	aside, err := e.moveAside()
	if err != nil {
		return false, fmt.Errorf("the database is damaged (%s) and cannot be moved aside: %w", why, err)
	}
	e.alarm(mail.OpStore, "the database is damaged and is built again from the spool; mail may be delivered "+
		"twice. "+aside+"The reason: "+mail.Printable(why, 512), nil)
	if err := e.tryOpen(); err != nil {
		return false, fmt.Errorf("opening a new database: %w", err)
	}
	return true, nil
}

// inspect prepares the files of the database and returns why it must not be opened. Badger takes a directory
// with tables and without MANIFEST for an empty one, and deletes the tables; a file of length zero, which a
// kill may leave, makes it fail.
func (e *Engine) inspect() (why string) {
	manifest, tables := false, false
	files, _ := os.ReadDir(e.dbDir())
	for _, f := range files {
		switch ext := filepath.Ext(f.Name()); {
		case f.Name() == "MANIFEST":
			manifest = true
		case ext == ".mem" || ext == ".vlog":
			fi, err := f.Info()
			if err == nil && fi.Size() == 0 {
				os.Remove(filepath.Join(e.dbDir(), f.Name()))
				continue
			}
			tables = true
		case ext == ".sst":
			tables = true
		}
	}
	switch {
	case manifest && e.diedOpening() >= diedTooOften:
		return "the process died each time it was opened"
	case manifest:
		return e.checkTables()
	case tables:
		return "its MANIFEST is missing"
	case e.wasUsed():
		return "it is missing"
	}
	return ""
}

// wasUsed says whether there was a state here before.
func (e *Engine) wasUsed() bool {
	if _, err := os.Lstat(e.snapshotName()); err == nil {
		return true
	}
	for n := range 256 {
		if ids, _, _ := e.spool.names(byte(n)); len(ids) > 0 {
			return true
		}
	}
	return false
}

// passing says whether an error of Open speaks of the surroundings and not of the database. Badger loses the
// types of some errors on the way.
func passing(err error) bool {
	for _, no := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES, syscall.EPERM,
		syscall.ENOMEM, syscall.EROFS, syscall.EAGAIN, syscall.EINTR, syscall.EIO,
	} {
		if errors.Is(err, no) || strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return strings.Contains(err.Error(), "Cannot acquire directory lock")
}

// tryOpen opens Badger, counting the attempt: some damages end the process instead of giving an error.
func (e *Engine) tryOpen() (err error) {
	if err := e.countOpening(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics: %v", p)
		}
		err = errors.Join(err, os.Remove(e.openingName())) // whatever it is, the process lives
	}()
	if err := os.MkdirAll(e.dbDir(), 0o700); err != nil {
		return err
	}
	e.db, err = badger.Open(e.badgerOptions())
	return err
}

// badgerOptions are measured: small memory tables, because a queue is small and their memory is ours; every
// commit synced; no value ever large enough for the value log, whose errors are lost; no check of conflicts,
// because one goroutine writes; tables checked when they are opened.
func (e *Engine) badgerOptions() badger.Options {
	return badger.DefaultOptions(e.dbDir()).
		WithSyncWrites(true).
		WithMemTableSize(4 << 20).WithNumMemtables(2).
		WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithBaseTableSize(2 << 20).WithBaseLevelSize(4 << 20).
		WithValueThreshold(512 << 10).
		WithValueLogFileSize(1 << 20).
		WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(0).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).WithNumGoroutines(1).
		WithChecksumVerificationMode(options.OnTableRead).
		WithLogger(logger{e})
}

// moveAside keeps the damaged database for whoever wants to look at it, and removes an older one.
func (e *Engine) moveAside() (text string, err error) {
	olds, err := filepath.Glob(filepath.Join(e.opt.Dir, "db.damaged-*"))
	if err != nil {
		return "", err
	}
	slices.Sort(olds)
	for _, x := range olds {
		if err := os.RemoveAll(x); err != nil {
			return "", err
		}
	}
	to := filepath.Join(e.opt.Dir, "db.damaged-"+e.opt.Now().UTC().Format("20060102T150405Z"))
	if err := os.Rename(e.dbDir(), to); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return "The old one is kept in " + to + ". ", syncDir(e.opt.Dir)
}

// recover brings records, schedule, marks and files into agreement.
func (e *Engine) recover(ctx context.Context, rebuild bool, hold []mail.ID) error {
	e.tending.Lock()
	defer e.tending.Unlock()
	if err := e.reconcile(ctx, &census{start: true, rebuild: rebuild}); err != nil {
		return fmt.Errorf("putting the state in order: %w", err)
	}
	if rebuild {
		if err := e.finishRebuild(ctx); err != nil {
			return fmt.Errorf("building the database again: %w", err)
		}
	}
	if err := e.holdCrashed(ctx, hold); err != nil {
		return err
	}
	if _, err := os.Lstat(e.snapshotName()); errors.Is(err, fs.ErrNotExist) {
		if err := e.snapshot(ctx); err != nil {
			return err
		}
	}
	e.flattened = e.opt.Now()
	if err := e.restoreBallast(); err != nil {
		e.alarm(mail.OpStore, "the ballast could not be made", err)
	}
	return nil
}

// finishRebuild loads the marks that were saved, and says for ever that they may be incomplete.
func (e *Engine) finishRebuild(ctx context.Context) error {
	if err := e.loadSnapshot(ctx); err != nil {
		return err
	}
	now := e.opt.Now()
	text, err := now.MarshalText()
	if err != nil {
		return err
	}
	err = e.sendRaw(ctx, []op{{key: []byte(keyRebuilding)}, {[]byte(keyRebuilt), text}})
	if err == nil {
		e.rebuilt = now
		e.rebuilding.Store(false)
	}
	return err
}

// sendRaw commits keys as they are.
func (e *Engine) sendRaw(ctx context.Context, ops []op) error {
	r := &request{raw: ops, answer: make(chan error, 1)}
	if err := e.send(ctx, r); err != nil {
		return err
	}
	return <-r.answer
}
