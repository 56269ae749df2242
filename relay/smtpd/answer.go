package smtpd

import (
	"bytes"
	"fmt"
	"time"
)

// gathered is how many octets of answers may wait.
const gathered = 32 << 10

// Write takes what the library answers, a line at a time. It makes the words ours where the library has none
// that fit, and learns from the code what comes next.
func (d *door) Write(p []byte) (int, error) {
	if d.over {
		return len(p), nil // its last word was said; what the library adds is for nobody
	}
	for line := range bytes.Lines(p) {
		d.answer(line)
	}
	return len(p), nil
}

func (d *door) answer(line []byte) {
	if len(line) < 4 {
		d.out = append(d.out, line...)
		return
	}
	code, final := string(line[:3]), line[3] == ' '
	if code == "220" && d.greeted && d.verb == "" {
		return
	}
	d.greeted = true
	if d.out = d.reworded(d.out, line, code); len(d.out) > gathered && d.flush() != nil {
		d.over = true
	}
	if !final {
		return
	}
	d.asking = code == "334"
	if d.verb == "BDAT" && (d.final || code != "250") {
		d.transfer = time.Time{}
	}
	if code == "250" && (d.verb == "DATA" || d.verb == "BDAT" && d.final) {
		d.idling = 0
	}
	switch {
	case code == "354":
		d.data, d.frame, d.came = true, frame{most: d.gen.limits.Line}, 0
		d.patience(time.Now().Add(d.gen.limits.Data))
	case code == "221" || code == "421":
		if d.flush() == nil {
			d.over = true
		}
	case code[0] == '5':
		d.wrong()
	}
}

// reworded appends an answer in our words: the library greets by the client's name, has no size to say, and
// repeats addresses that its peer has sent.
func (d *door) reworded(out, line []byte, code string) []byte {
	if code != "250" {
		return append(out, line...)
	}
	sep := line[3]
	switch rest := line[4:]; d.verb {
	case "EHLO", "LHLO":
		switch {
		case bytes.HasPrefix(rest, []byte("Hello ")):
			return fmt.Appendf(out, "250%c%s\r\n", sep, d.gen.Hostname)
		case bytes.Equal(rest, []byte("SIZE\r\n")) && d.gen.limits.Size < 1<<60:
			return fmt.Appendf(out, "250%cSIZE %d\r\n", sep, d.gen.limits.Size)
		}
	case "HELO":
		return fmt.Appendf(out, "250 %s\r\n", d.gen.Hostname)
	case "MAIL":
		return append(out, "250 2.1.0 the sender is fine\r\n"...)
	case "RCPT":
		return append(out, "250 2.1.5 the recipient is fine\r\n"...)
	}
	return append(out, line...)
}
