package local

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"mailretr/relay/utf7"
)

// nameOf is how a message is called in a Maildir, but for its sizes: the second it was queued, the queue id
// and the recipient, our host. The same message has the same name whenever it is delivered, which no
// process id would allow.
func nameOf(t *target, host string) string {
	sum := sha256.Sum256([]byte(t.to))
	return fmt.Sprintf("%d.Q%sR%s.%s", t.id.Time().Unix(), t.id, hex.EncodeToString(sum[:4]), hostName(host))
}

// unique is a name in tmp: one that was left there by a crash, or laid out by somebody, is never met.
func unique(name string) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return name + "." + hex.EncodeToString(b[:])
}

// sizesOf are the fields S, octets as they lie there, and W, octets with CRLF.
func sizesOf(lf, crlf int64) string { return fmt.Sprintf(",S=%d,W=%d", lf, crlf) }

// hostName is a host as names of Maildirs have it: what means something in them is written in octal.
func hostName(host string) string {
	var b strings.Builder
	for _, c := range []byte(host) {
		switch {
		case c == '/' || c == ':' || c == ',' || c <= ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// delivered says whether a message is in new or cur, with whatever sizes and flags. A reader may move it
// while we look, and only from new to cur. What is found may have been seen by a reader and not have been
// synced by whoever died.
func delivered(dir *os.Root, name string) (bool, error) {
	for _, in := range []string{"new", "cur"} {
		there, err := within(dir, in, name)
		if err != nil {
			return false, err
		}
		if there {
			return true, syncDir(dir, in)
		}
	}
	return false, nil
}

func within(dir *os.Root, in, name string) (bool, error) {
	f, err := dir.Open(in)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(1000)
		for _, n := range names {
			if strings.HasPrefix(n, name+",") || strings.HasPrefix(n, name+":") || n == name {
				return true, nil
			}
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// linkless says whether an error means that there are no hard links here.
func linkless(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) ||
		errors.Is(err, syscall.EMLINK)
}

// folderName is how a folder is called in a Maildir++: a dot before each level, modified UTF-7 (RFC 3501,
// 5.1.3), and nothing that could lead elsewhere. "" is the inbox, also for a name that is too long for a
// file.
func folderName(folder string) string {
	var b strings.Builder
	for i, level := range strings.FieldsFunc(folder, func(r rune) bool { return r == '/' || r == '.' }) {
		if i == 0 && strings.EqualFold(level, "INBOX") {
			continue
		}
		b.WriteByte('.')
		b.WriteString(utf7.Encode(level))
	}
	if b.Len() > longestName {
		return ""
	}
	return b.String()
}
