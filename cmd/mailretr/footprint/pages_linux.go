package footprint

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program itself out of the process's resident memory: reading configuration,
// opening the store and setting all up touches most of a binary of fifty megabytes, waiting and polling a tenth of it. The
// kernel keeps mapped code as long as it can, and takes what is only cached first when somebody else needs room; what is
// needed again comes back from the cache, at a microsecond for 64 KiB. Pages that this process has written (relocations of
// a position-independent program) are left alone: they would come back as they are in the file. Where the kernel does not
// tell what is mapped, nothing happens.
func forgetProgram() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMappings(f, path) {
		// An error means that the pages stay, as they would have.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// A mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// cleanMappings returns the mappings of a file that cannot be written to and of which no page differs from the file, from
// the text of proc_pid_smaps(5).
func cleanMappings(smaps io.Reader, path string) (all []mapping) {
	var m mapping
	var ours bool
	s := bufio.NewScanner(smaps)
	for s.Scan() {
		words := strings.Fields(s.Text())
		switch {
		case len(words) >= 5 && strings.Contains(words[0], "-"):
			var ok bool
			m, ok = rangeOf(words[0])
			ours = ok && strings.HasPrefix(words[1], "r-") && len(words) == 6 && words[5] == path
		case len(words) == 3 && (words[0] == "Anonymous:" || words[0] == "Swap:") && words[1] != "0":
			ours = false
		case len(words) > 0 && words[0] == "VmFlags:" && ours: // the last line of a mapping
			all = append(all, m)
			ours = false
		}
	}
	return all
}

func rangeOf(s string) (mapping, bool) {
	from, to, _ := strings.Cut(s, "-")
	a, err := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	return mapping{uintptr(a), uintptr(b)}, err == nil && err2 == nil && a < b
}
