package footprint

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const someMaps = `00400000-01481000 r-xp 00000000 fd:00 1056 /usr/bin/mailretr
Rss:               13876 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
01481000-025fa000 r--p 01081000 fd:00 1056 /usr/bin/mailretr
Rss:               12388 kB
Anonymous:             8 kB
Swap:                  0 kB
VmFlags: rd mr mw me
025fa000-026db000 rw-p 021fa000 fd:00 1056 /usr/bin/mailretr
Anonymous:             0 kB
VmFlags: rd wr mr mw me
026db000-026dc000 r--p 022db000 fd:00 1056 /usr/bin/mailretr
Anonymous:             0 kB
Swap:                  4 kB
VmFlags: rd mr mw me
7f0000000000-7f0000001000 r--p 00000000 fd:00 1057 /usr/lib/other.so
Anonymous:             0 kB
VmFlags: rd mr mw me
7f0000002000-7f0000003000 r--p 00000000 00:00 0 
Anonymous:             0 kB
VmFlags: rd mr mw me
`

// Only what is in the file as it is in memory may be forgotten.
func TestCleanMappings(t *testing.T) {
	got := cleanMappings(strings.NewReader(someMaps), "/usr/bin/mailretr")
	if want := []mapping{{0x400000, 0x1481000}}; !slices.Equal(got, want) {
		t.Errorf("%x may be forgotten, expected %x", got, want)
	}
}

// The pages of the program leave the resident memory, and it runs on.
func TestForgetProgram(t *testing.T) {
	populate(t)
	before := residentFile(t)
	forgetProgram()
	after := residentFile(t)
	if after > before*3/4 { // what runs is there again at once
		t.Errorf("%d KiB of files were resident, %d still are", before, after)
	}
}

// populate brings in all of the program, as work on a large configuration does.
func populate(t *testing.T) {
	t.Helper()
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, m := range cleanMappings(f, path) {
		_, _, err := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_POPULATE_READ)
		if err != 0 && err != unix.EINVAL { // before Linux 5.14 what has run so far has to do
			t.Fatal(err)
		}
	}
}

func residentFile(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssFile:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
