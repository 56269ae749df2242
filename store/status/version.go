package status

// Version changes whenever the record of a maildrop does, but for what time alone makes of it. It begins anew when the program
// does, and where the maildrop was away meanwhile.
func (f *Folder) Version(maildrop string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.drops[maildrop].fold.version
}

// Changes counts the events that have changed anything, of maildrops and lanes.
func (f *Folder) Changes() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}
