package mail

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"time"
)

// An Account is the identity of a maildrop's contents: equal for two configurations that see the same messages,
// whatever they are called. It is text, 32 hexadecimal digits.
type Account string

// AccountOf returns the account of a user at a host. protocol is "pop3" or "imap", whatever the TLS mode;
// host is the name that was configured, without the port.
func AccountOf(protocol, host, user string) Account {
	h := sha256.New()
	for _, s := range []string{strings.ToLower(protocol), strings.ToLower(host), user} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		io.WriteString(h, s)
	}
	return Account(hex.EncodeToString(h.Sum(nil)[:16]))
}

// A UID names a message in its account, the same in every session. POP3: the unique-id of RFC 1939, 7, as it was
// sent (printable ASCII), or "%" and a hash of one that is too long or has odd octets, or, where the server has none
// or gives it to two messages, "=" and a content key, with "." and an ordinal where it is not the first of equal
// ones (see [UID.Derived]).
// IMAP: folder, "/", UIDVALIDITY, "/", UID; the folder may itself hold "/".
type UID string

// Derived says whether the UID was made from the content because the server's own was missing or not unique.
func (u UID) Derived() bool { return strings.HasPrefix(string(u), "=") }

// Folder returns the folder that is named in a UID of IMAP; "" where there is none. Of a UID of POP3 it means nothing.
func (u UID) Folder() string {
	s := string(u)
	for range 2 {
		i := strings.LastIndexByte(s, '/')
		if i < 0 {
			return ""
		}
		s = s[:i]
	}
	return s
}

// A Lane is a next hop: the name of a configured destination. A record of the queue has exactly one.
type Lane string

// Origin says where a message was collected. It is zero for a message that was born here or came by SMTP.
type Origin struct {
	Maildrop string    // its name in the configuration
	Account  Account   // identity of its contents
	UID      UID       // of the message in it
	Date     time.Time // IMAP INTERNALDATE; zero where the protocol has none
	Flags    []string  // IMAP flags and keywords
}

// A Recipient is one forward-path with its DSN parameters (RFC 3461).
type Recipient struct {
	Forward  Path
	Original string // ORCPT as given, "type;xtext"; "" where there is none
	Notify   string // NOTIFY as given, comma separated; "" means the default
}

// An Envelope is what SMTP says about a message outside of its octets.
type Envelope struct {
	Reverse    Path
	Recipients []Recipient
	EnvID, Ret string // ENVID and RET of RFC 3461; "" where they were not given
}

// Content is the mail data: header section, empty line, body. Octets are as the maildrop sent them until the queue
// has brought them to normal form (CRLF line ends, no bare CR or LF, a final CRLF).
//
// Nothing crosses the line before Header or Open is called. Where the message was announced whole (see [Aheader]),
// Header is the beginning of the same transfer, which Open continues and includes again: Open always gives the
// message from its first octet. A reader that cannot deliver every octet ends with an error that is not io.EOF.
// Not for concurrent use.
type Content interface {
	// Size is the number of octets as announced by the maildrop: a hint, of a liar perhaps; -1 where nobody
	// said. Exact where the content comes from the queue.
	Size() int64

	// Header returns the header section with the empty line that ends it, if there is one. It is bounded by
	// [MaxHeader]; a longer one is an error. The caller does not change the slice.
	Header(context.Context) ([]byte, error)

	// Open returns the whole message. The caller closes it. Closing early stops the transfer if the protocol
	// allows it. Calling Open twice costs the line twice; only a queue's may be.
	Open(context.Context) (io.ReadCloser, error)
}

// A Resumer (optional on a Content) can go on where a transfer broke, in this session or an earlier one, because the
// octets behind a UID never change (IMAP: RFC 9051, 2.3.1.1).
type Resumer interface {
	Content

	// Resumes says whether OpenAt is of use. A content that only wraps another one answers for it.
	Resumes() bool

	// OpenAt is Open without the first n octets, counted as the maildrop sends them, before any normal form.
	// n is at most Size. As with Open, it may continue what was announced by [Aheader] or ask anew.
	OpenAt(ctx context.Context, n int64) (io.ReadCloser, error)
}

// A Headed (optional on a Content) can be told the header section that an earlier session has read, so that it does not cross
// the line again. Have is called before anything is asked of the content or announced of its message. The octets are not
// changed afterwards, and not copied.
type Headed interface {
	Content
	Have(header []byte)
}

// A Forgetter (optional on a Content) drops what it keeps in memory of what was read, because nobody is going to ask for it
// in this session. Asked again it reads again.
type Forgetter interface {
	Content
	Forget()
}

// Forget has the content of m drop what it keeps, if it can.
func Forget(m *Message) {
	if c, ok := m.Content.(Forgetter); ok {
		c.Forget()
	}
}

// MaxHeader bounds a header section, in octets. Exim refuses more than 1 MiB; real ones stay below 64 KiB.
const MaxHeader = 1 << 20

// A Message is what moves. It is valid until it was settled or its maildrop closed.
type Message struct {
	ID       ID // zero until a queue has it
	Origin   Origin
	Envelope Envelope
	Queued   time.Time // zero until a queue has it
	Attempts int       // made before this one
	Content  Content

	// Chosen is the id that the queue is asked to give it, by a listener that has told of it already in its
	// Received field, and has counted those of others; zero: the queue chooses, and looks for loops itself.
	Chosen ID
	// To is whom mail of its folder is for, where the configuration says so; nil: who fills the envelope knows.
	To []Path
	// Parent is set on a DSN: the message that it reports on.
	Parent ID
	// Whole, of a report: it brings the message to somebody else than its sender, whole, and is then the only one that
	// has it. Where it fails it is not thrown away.
	Whole bool
	// Line counts the octets that this message has cost on the dear line so far; kinds set it before the
	// content ends. Zero where nobody counted.
	Line int64
}

// A Choice says what a session shall do, once the marks were asked.
type Choice struct {
	Fetch   []UID // not yet ours
	Release []UID // taken by an earlier session and to be let go of

	// Check names those of Fetch whose UID does not prove that they are new: a new UIDVALIDITY, a new name of the
	// account. Their headers are looked at first, whatever their size; what is known by them is not fetched.
	Check []UID
	// Wanted names those of Fetch that somebody has asked for: their size is no reason to leave them.
	Wanted []UID
	// Headers are header sections of some of Fetch that an earlier session has paid for; see [Headed].
	Headers map[UID]Head
	// Next is when something that is left now is to be looked at again; zero: nothing of that kind. Until then a
	// listing that names nothing new needs no second look.
	Next time.Time
}

// A Head is a header section with its empty line, and the size that its message was announced with.
type Head struct {
	Octets []byte
	Size   int64
}
