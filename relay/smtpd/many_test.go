package smtpd

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// H11: a client with recipients without end for one message. A thousand are taken, the others are told to come with the next
// one, and what the client costs is what those that were taken cost.
func TestH11_RecipientsWithoutEnd(t *testing.T) {
	const all, taken = 200_000, 1000
	w := open(t, Options{Domains: []string{"y.test"}})
	defer w.shut()
	c := w.dialRaw("192.0.2.7").c
	defer c.Close()
	counts := make(chan map[string]int, 1)
	go func() {
		n := map[string]int{}
		for s := bufio.NewScanner(c); s.Scan(); {
			if n[s.Text()[:3]]++; strings.HasPrefix(s.Text(), "354") {
				io.WriteString(c, "Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n")
			}
		}
		counts <- n
	}()
	before := heap()
	out := bufio.NewWriterSize(c, 64<<10)
	fmt.Fprint(out, "EHLO c\r\n")
	out.Flush()
	fmt.Fprint(out, "MAIL FROM:<a@x.test>\r\n")
	for i := range all {
		fmt.Fprintf(out, "RCPT TO:<u%d@y.test>\r\n", i)
	}
	out.Flush()
	cost := heap() - before
	fmt.Fprint(out, "DATA\r\n")
	out.Flush()
	if n := <-counts; n["452"] != all-taken || n["354"] != 1 || n["221"] != 1 {
		t.Errorf("answers: %v", n)
	}
	if got := w.store.messages(); len(got) != 1 || len(got[0].envelope.Recipients) != taken {
		t.Errorf("%d messages", len(got))
	}
	if cost > 2<<20 {
		t.Errorf("a client with %d recipients holds %d octets", all, cost)
	}
}

// heap is how much is held.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
