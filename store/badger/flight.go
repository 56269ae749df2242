package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mailretr/store/mail"
)

// A message that kills the process whenever it is attempted must not do so for ever. So the IDs that are
// being attempted stand in a file, which is not synced: it has to survive the process, not the machine.
// Whoever was there when the process ended is suspect, and leased by itself; whoever is the one suspect that
// is there when it ends again in the same boot of the machine is held. Where several suspects are there, on
// connections side by side, most of them are innocent: they get two chances more.

const (
	flightMagic = "mailretr inflight 1\n"
	flightHead  = 96
	flightEntry = 32

	// mostEnds is how many ends of the process a message has seen that is held although it was not the only
	// suspect.
	mostEnds = 4

	flying  = 1 // being attempted
	suspect = 2 // was being attempted when the process ended
)

type flight struct {
	file     *os.File
	report   func(error) // told once when the file cannot be written
	image    []byte
	slots    map[mail.ID]int
	free     []int
	suspects map[mail.ID]byte // ends of the process that they have seen
	lo, hi   int              // octets of image that the file does not have yet
}

// open reads what the last process left, begins a new file, and returns the IDs that have to be held.
func (f *flight) open(dir, boot string, report func(error)) (hold []mail.ID, err error) {
	f.report, f.slots, f.suspects = report, make(map[mail.ID]int), make(map[mail.ID]byte)
	name := filepath.Join(dir, "inflight")
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	head := make([]byte, flightHead)
	copy(head, flightMagic+boot)
	if boot != "" && len(old) >= flightHead && string(old[:flightHead]) == string(head) {
		hold = f.judge(old[flightHead:])
	}
	f.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	f.image, f.lo, f.hi = append(head, f.image...), 0, flightHead+len(f.image)
	for id, n := range f.slots {
		f.slots[id] = n + flightHead
	}
	f.write()
	return hold, nil
}

// judge sorts the entries of the last process into suspects and those to be held.
func (f *flight) judge(b []byte) (hold []mail.ID) {
	again := 0 // suspects that were being attempted
	for at := b; len(at) >= flightEntry; at = at[flightEntry:] {
		if at[16] == flying && at[17] > 0 {
			again++
		}
	}
	for ; len(b) >= flightEntry; b = b[flightEntry:] {
		var id mail.ID
		copy(id[:], b)
		state, ends := b[16], b[17]
		switch {
		case state == flying:
			ends++
		case state != suspect:
			continue
		}
		if state == flying && ends > 1 && (again == 1 || ends >= mostEnds) {
			hold = append(hold, id)
			continue
		}
		f.suspects[id] = ends
		f.slots[id] = len(f.image)
		f.image = append(f.image, entry(id, suspect, ends)...)
	}
	return hold
}

func entry(id mail.ID, state, ends byte) []byte {
	b := make([]byte, flightEntry)
	copy(b, id[:])
	b[16], b[17] = state, ends
	return b
}

// takeoff says that a record is being attempted.
func (f *flight) takeoff(id mail.ID) {
	at, ok := f.slots[id]
	if !ok {
		if n := len(f.free); n > 0 {
			at, f.free = f.free[n-1], f.free[:n-1]
		} else {
			at = len(f.image)
			f.image = append(f.image, make([]byte, flightEntry)...)
		}
		f.slots[id] = at
	}
	f.set(at, entry(id, flying, f.suspects[id]))
}

// landed says that it is not any more.
func (f *flight) landed(id mail.ID) {
	at, ok := f.slots[id]
	if !ok {
		return
	}
	delete(f.slots, id)
	delete(f.suspects, id)
	f.free = append(f.free, at)
	f.set(at, make([]byte, flightEntry))
}

func (f *flight) set(at int, b []byte) {
	copy(f.image[at:], b)
	if f.lo == f.hi {
		f.lo, f.hi = at, at+len(b)
	}
	f.lo, f.hi = min(f.lo, at), max(f.hi, at+len(b))
}

// write brings the file up to date.
func (f *flight) write() {
	if f.lo == f.hi || f.file == nil {
		return
	}
	_, err := f.file.WriteAt(f.image[f.lo:f.hi], int64(f.lo))
	f.lo, f.hi = 0, 0
	if err != nil && f.report != nil {
		f.report(fmt.Errorf("writing the list of messages being attempted: %w", err))
		f.report = nil
	}
}

// end says that the process ends in order: nobody is suspect.
func (f *flight) end() error {
	if f.file == nil {
		return nil
	}
	return f.file.Truncate(0)
}

func (f *flight) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}
