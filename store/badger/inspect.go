package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"google.golang.org/protobuf/proto"
)

// checkTables looks at the ends of the tables that MANIFEST names, and returns what is wrong with the first
// that is damaged. Badger panics over such a table on a goroutine of its own, which ends the process; what is
// wrong further inside gives an error, because tables are read whole when they are opened. A MANIFEST that
// cannot be read is left to Badger, which says so.
func (e *Engine) checkTables() (why string) {
	f, err := os.Open(filepath.Join(e.dbDir(), "MANIFEST"))
	if err != nil {
		return ""
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, e.badgerOptions())
	if err != nil {
		return ""
	}
	for id := range m.Tables {
		name := table.NewFilename(id, e.dbDir())
		if err := checkTable(name); err != nil && !passing(err) {
			return fmt.Sprintf("table %s: %v", filepath.Base(name), err)
		}
	}
	return ""
}

var errTable = errors.New("its end is damaged")

// checkTable reads a table's end: index, length of the index, check sum of the index, length of the check
// sum.
func checkTable(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is missing")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	before := func(n int64) ([]byte, error) {
		if n < 0 || n > at {
			return nil, errTable
		}
		at -= n
		b := make([]byte, n)
		_, err := f.ReadAt(b, at)
		return b, err
	}
	size := func() (int64, error) {
		b, err := before(4)
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint32(b)), nil
	}
	n, err := size()
	if err != nil {
		return err
	}
	b, err := before(n)
	if err != nil {
		return err
	}
	var sum pb.Checksum
	if err := proto.Unmarshal(b, &sum); err != nil || sum.Algo != pb.Checksum_CRC32C {
		return errTable
	}
	if n, err = size(); err != nil {
		return err
	}
	if b, err = before(n); err != nil {
		return err
	}
	return y.VerifyChecksum(b, &sum)
}
