package conf

import "time"

// A Config is everything that was asked for. A source begins with [Default], sets what is written, and ends
// with [Config.Complete]. It is not changed afterwards; a reload makes a new one.
type Config struct {
	At Where `json:"-"`

	Hostname string // HELO, Reporting-MTA, Received
	State    string // directory of the queue
	Socket   string // path of the control socket
	Watch    bool   // read again when a file changes

	Deliver []Destination // the first is the default
	Routes  []Route       // in the order in which they are asked
	Listen  []Listener    // where clients bring mail
	Rewrite Rewrite       // before the routes are asked
	OAuth   []OAuth       // named by maildrops
	Bounce  Bounce
	Queue   Queue
	Poll    time.Duration // between two sessions of a maildrop
	Line    Line
	Limits  Limits
	Log     Log
	Metrics Metrics
	Notify  Notify
	Web     Web

	Maildrops []*Maildrop
	Sources   []Source

	// Bad are the maildrops that LeaveOut took away, for the status.
	Bad []BadMaildrop

	index map[string]int // of Maildrops, by name; nil: they are looked through
}

// A Destination is a next hop.
type Destination struct {
	At Where `json:"-"`

	Name    string   // "default" for the only one of a short form
	Kind    string   // smtp, lmtp, maildir, mbox, imap, command: cmd knows which are built in
	Network string   // "tcp", "unix" or "mx" (see Endpoint), of smtp and lmtp
	Address string   // host:port; or a path or URL, by kind
	SMTP    SMTP     // of smtp and lmtp
	Command []string // argv, of command
	Local   *Local   // of maildir, mbox and command; else nil
	IMAP    *IMAP    // of imap; else nil
	Filter  *Filter  // nil: none

	TLS      TLS
	User     string
	Password Secret
	Hello    string // EHLO, LHLO; Config.Hostname by default

	Connections int             // at once
	Messages    int             // per connection; 0: as many as the server likes
	Retry       []time.Duration // nil: as Queue.Retry
	Expire      time.Duration   // 0: as Queue.Expire
	Invisible   bool            // no Received field of ours
	Fallback    *Fallback       // nil: it waits here until it is given up
	Policy      Policy          // before Bounce.Policy
}

// A Mode says how a connection is secured.
type Mode string

const (
	ModeDefault  Mode = ""         // before Complete
	ModeNone     Mode = "none"     // plain, said out loud
	ModeStartTLS Mode = "starttls" // required
	ModeImplicit Mode = "implicit" // from the first octet
)

// TLS says how a connection is secured and whom to trust.
type TLS struct {
	At Where `json:"-"`

	Mode      Mode
	CA        string   // PEM file; "": the system's roots
	Pins      []string // SHA-256 of the certificate, hexadecimal; one must match, name and roots are not asked
	Name      string   // expected in the certificate; "": the host
	Cert, Key string   // PEM files of a client certificate
	Insecure  bool     // accept any certificate

	PostQuantum Switch // the key share of 1.2 KB; Auto: on connections that stay
}

// A Switch is on, off, or left to us.
type Switch string

const (
	Auto Switch = ""
	On   Switch = "on"
	Off  Switch = "off"
)

// Queue says how long and how often delivery is tried, and how large the queue may become.
type Queue struct {
	At Where `json:"-"`

	Retry   []time.Duration // the last one repeats
	Expire  time.Duration
	Warn    time.Duration // age at which the sender is told that it waits; 0: never
	Hold    []HoldRule    // what is held when it is queued
	Reserve int64         // octets of disk that stay free
	MaxSize int64         // octets in the queue; 0: no limit but Reserve
	Max     int           // messages in the queue; 0: no limit
}

// Limits bound what happens at once and how large things may be.
type Limits struct {
	At Where `json:"-"`

	PerServer    int   // sessions with one server at once
	Sessions     int   // sessions at once
	Large        int   // large bodies at once
	Idle         int   // connections of one maildrop that wait for mail; 0: as many as its server allows
	HeadersFirst int64 // octets; above, the header comes first
	Batch        int   // messages made durable at once
	BatchSize    int64 // octets made durable at once
	MaxMessage   int64 // octets; larger ones stay in the maildrop; 0: no limit
}

// Log says what is logged, and how.
type Log struct {
	At Where `json:"-"`

	Level  string // debug, info, warn, error
	Format string // auto, text, json
}

// A Maildrop is one place where mail is collected.
type Maildrop struct {
	At Where `json:"-"`

	Name     string
	Protocol string // pop3 or imap
	Secure   bool   // pop3s or imaps: TLS from the first octet
	Host     string
	Port     int
	User     string
	TLS      TLS
	Password Secret
	Auth     string // auto, password, apop, or a mechanism of SASL in lower case
	OAuth    string // name of an entry of Config.OAuth, instead of a password

	Proxy      Proxy    // Line.Proxy by default
	Source     string   // local address; Line.Source by default
	Preconnect []string // argv, run before each connection
	Dial       []string // argv, whose standard input and output are the connection
	Rate       int64    // octets per second; 0: as the line
	Reach      *Reach   // which servers are reached at all; nil: any

	Owner     string     // whose it is: the name under which that person is known; the first of To by default
	To        []string   // single-drop
	Multidrop *Multidrop // nil: single-drop
	Folders   []Folder   // of IMAP
	Compress  bool       // of IMAP: let the server compress, where it can
	Search    Search     // of IMAP: what is collected at all
	Sender    string     // header field that holds the reverse-path
	Client    *Border    // how it is found who handed a message to the provider; nil: it is not
	AuthServ  string     // the provider's name in its Authentication-Results; "": they are not asked
	Deliver   string     // name of a destination
	Bounce    *Speech    // what reports on its mail say; nil: as all

	First   First
	After   After
	Poll    time.Duration
	Idle    time.Duration // of IMAP: the server says when mail comes, and is asked anew so often; 0: it does not
	Check   bool          // ask the MTA for the recipient before collecting
	Enabled bool
	Trace   bool // log the protocol
	Bodies  bool // with the octets of messages

	Row    *Row     `json:"-"` // of a source, where it was read; nil: it stands in a file
	Unmet  []string `json:"-"` // what its row asks for and is not done, phrases
	Owners *Owners  `json:"-"` // what all maildrops of its owner may have together; nil: no limit

	Budget   *Budget   // what it may cost; nil: what the line may
	Oversize *Oversize // nil: nothing is too large
}

// First says what to do at first contact with the mail that is already there.
type First struct {
	Mode   FirstMode
	Within time.Duration // of FirstSince
}

// A FirstMode is the kind of a First.
type FirstMode uint8

const (
	FirstAll   FirstMode = iota // collect it
	FirstNew                    // leave it
	FirstSince                  // collect what is younger than Within
)

// A BadMaildrop was left out because of mistakes in its entry.
type BadMaildrop struct {
	Name     string
	Owner    string // see Maildrop.Owner
	Pos      Pos
	Problems []Problem
}
