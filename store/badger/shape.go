package badger

// What is read from a file that may have been anywhere, a backup or the snapshot of the marks, is looked at before it is
// written: whoever reads a key later takes it apart by its length.

// Lengths of the keys whose parts have fixed ones.
const (
	markKeyLen    = 2 + 16 + 16
	contentKeyLen = 2 + 16 + 16 + 16
	folderKeyLen  = 2 + 16 + 12
)

// wellFormed says whether a pair is one that this program could have written into its table.
func wellFormed(o op) bool {
	switch string(o.key[:2]) {
	case "c/":
		return len(o.key) == contentKeyLen && len(o.value) == 0
	case "f/":
		return len(o.key) == folderKeyLen && len(o.value) <= maxRecord
	case "u/":
		_, err := parseMark(o.value)
		return len(o.key) == markKeyLen && err == nil
	case "v/":
		return len(o.key) == markKeyLen && soundChunk(o)
	case "s/":
		lane, _, _, ok := parseDueKey(o.key)
		return ok && len(lane) <= maxKeyPart && len(o.value) == 0
	case "n/":
		n, err := parseNote(o.key, o.value)
		return err == nil && len(n.Space) <= maxKeyPart && len(n.Owner) <= maxKeyPart &&
			len(o.key) <= 2+2*(2+maxKeyPart)+1+max(longNoteKey, 32) && len(o.value) <= maxNote+4
	}
	return false
}

// soundChunk says whether packed marks can be read, are in order, and not above what their key says.
func soundChunk(o op) bool {
	var bound, prev spot
	copy(bound[:], o.key[2+16:])
	first, sound := true, true
	err := eachRun(o.value, func(r run) bool {
		sound = r.last().compare(r.first) >= 0 && r.last().compare(bound) <= 0 && (first || r.first.compare(prev) > 0)
		first, prev = false, r.last()
		return sound
	})
	return err == nil && sound
}
