package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// ending is what the frame has to say of a message, written down once more in another way: where the message
// ends, or that there is a bare CR or LF before; -1, nil where it has not ended yet.
func ending(b []byte) (int, error) {
	all := "\r\n" + string(b)
	end := strings.Index(all, "\r\n.\r\n")
	part := all
	if end >= 0 {
		part = all[:end+5]
	}
	rest := strings.ReplaceAll(part, "\r\n", "")
	if strings.ContainsAny(strings.TrimSuffix(rest, "\r"), "\r\n") || strings.HasSuffix(rest, "\r") && !strings.HasSuffix(part, "\r") {
		return 0, errBare
	}
	if end < 0 {
		return -1, nil
	}
	return end + 5 - 2, nil
}

// FuzzFrame: a message ends where it ends, in whatever pieces it comes.
func FuzzFrame(f *testing.F) {
	for _, end := range smuggled {
		f.Add([]byte("text"+end+"MAIL FROM:<a@b>\r\n.\r\n"), uint8(0))
	}
	f.Add([]byte("\r\n..\r\n.\r\n"), uint8(3))
	f.Add([]byte(".\r\n"), uint8(1))
	f.Add([]byte(strings.Repeat("x", 40)+"\r\n.x\r\n.\r\n"), uint8(5))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		br := bufio.NewReaderSize(bytes.NewReader(b), 16+int(size))
		fr, n := frame{most: 1 << 30}, 0
		for {
			piece, err := br.ReadSlice('\n')
			more := errors.Is(err, bufio.ErrBufferFull)
			if err != nil && !more {
				if end, bad := ending(b); end >= 0 && bad == nil {
					t.Fatalf("%q: the end at %d was not seen", b, end)
				}
				return
			}
			last, err := fr.add(piece, more)
			n += len(piece)
			end, bad := ending(b)
			switch {
			case err != nil && bad == nil && end < 0 && !bytes.ContainsAny(b[n:], "\n"):
				// the model has not seen what follows the CR at the end
			case err != nil && bad == nil:
				t.Fatalf("%q: %v, where nothing is wrong", b, err)
			case last && (bad != nil || end != n):
				t.Fatalf("%q: ended at %d, want %d, %v", b, n, end, bad)
			}
			if err != nil || last {
				return
			}
		}
	})
}

// FuzzSession: whatever a client sends, the server goes on or ends the connection, and has only taken
// messages that have no CR or LF but in CRLF.
func FuzzSession(f *testing.F) {
	begin := "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
	f.Add("DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n")
	f.Add("BDAT 5\r\nabc\r\nBDAT 0 LAST\r\nRSET\r\n")
	f.Add("BDAT 5 LAST\r\nabc\r\nAUTH PLAIN AAA=\r\nSTARTTLS\r\n")
	for _, end := range smuggled {
		f.Add("DATA\r\ntext" + end + begin + "DATA\r\nx\r\n.\r\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := open(t, Options{})
		c := w.dialRaw("")
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(io.Discard, c.c)
		}()
		// It may end the connection at any octet.
		io.WriteString(c.c, begin+text)
		c.c.Close()
		<-done
		w.shut()
		for _, m := range w.store.messages() {
			if s := strings.ReplaceAll(m.text, "\r\n", ""); strings.ContainsAny(s, "\r\n") {
				t.Errorf("taken: %q", m.text)
			}
		}
	})
}
