package fetchmailrc

// A scope says where an option may stand.
type scope uint8

const (
	ofServer scope = 1 << iota
	ofUser
	ofSet
)

// A shape says what follows an option.
type shape uint8

const (
	flag     shape = iota // nothing
	text                  // one word
	count                 // a number
	texts                 // words, as many as there are
	counts                // numbers, as many as there are
	numbered              // a word, perhaps with a number before it
	either                // a word or a number
)

// An option of fetchmail.
type option struct {
	scope scope
	shape shape
	off   bool // it may stand behind no
	// none says why there is no equal; "" where there is one, or [converter.server] and its like say more.
	none string
}

const (
	hashed  = "the system's authorities are trusted, or those of one PEM file: tls: {ca: FILE}"
	md5     = "MD5 is not taken any more; write tls: {pin: …} with the SHA-256 of the certificate"
	octets  = "mail is relayed as it was collected, octet for octet"
	ended   = "line ends are always brought to CRLF, as RFC 5321, 2.3.8 asks"
	named   = "what is ours is named in domains: and map:, and not looked up"
	timed   = "each step has a time limit of its own here"
	windows = "how much is asked for at once follows from the line here; see limits:"
)

// options are all of fetchmail 6.4, by their longest names.
var options = map[string]option{
	"logfile":    {scope: ofSet, shape: text, none: "the log goes to standard error: to the journal, or wherever it is sent"},
	"idfile":     {scope: ofSet, shape: text},
	"pidfile":    {scope: ofSet, shape: text, none: "there is no such file; the control socket says whether it runs"},
	"daemon":     {scope: ofSet, shape: count},
	"syslog":     {scope: ofSet, shape: flag, off: true, none: "the log goes to standard error; systemd's journal takes it"},
	"invisible":  {scope: ofSet, shape: flag, off: true},
	"showdots":   {scope: ofSet, shape: flag, off: true, none: "progress is shown where there is a terminal"},
	"postmaster": {scope: ofSet, shape: text},
	"bouncemail": {scope: ofSet, shape: flag, off: true},
	"spambounce": {scope: ofSet, shape: flag, off: true},
	"softbounce": {scope: ofSet, shape: flag, off: true},

	"via":           {scope: ofServer, shape: text},
	"aka":           {scope: ofServer, shape: texts},
	"localdomains":  {scope: ofServer, shape: texts},
	"protocol":      {scope: ofServer, shape: text},
	"service":       {scope: ofServer, shape: either},
	"port":          {scope: ofServer, shape: count},
	"interval":      {scope: ofServer, shape: count},
	"auth":          {scope: ofServer, shape: text},
	"timeout":       {scope: ofServer, shape: count, none: timed},
	"envelope":      {scope: ofServer, shape: numbered, off: true},
	"qvirtual":      {scope: ofServer, shape: text},
	"principal":     {scope: ofServer, shape: text, none: "there is no Kerberos here"},
	"esmtpname":     {scope: ofServer, shape: text},
	"esmtppassword": {scope: ofServer, shape: text},
	"bad-header":    {scope: ofServer, shape: text},
	"interface":     {scope: ofServer, shape: text, none: "no interface is watched; source: chooses the address to come from"},
	"monitor":       {scope: ofServer, shape: text, none: "no interface is watched"},
	"plugin":        {scope: ofServer, shape: text},
	"plugout":       {scope: ofServer, shape: text, none: "the connection to the MTA is made by mailretr itself"},
	"dns":           {scope: ofServer, shape: flag, off: true, none: named},
	"checkalias":    {scope: ofServer, shape: flag, off: true, none: named},
	"uidl":          {scope: ofServer, shape: flag, off: true},
	"tracepolls":    {scope: ofServer, shape: flag, off: true, none: "the log says from which maildrop a message came"},

	"password":       {scope: ofUser, shape: either},
	"folder":         {scope: ofUser, shape: texts},
	"smtphost":       {scope: ofUser, shape: texts},
	"fetchdomains":   {scope: ofUser, shape: texts, none: "it belongs to ETRN and ODMR, with which nothing is collected here"},
	"smtpaddress":    {scope: ofUser, shape: text},
	"smtpname":       {scope: ofUser, shape: text},
	"antispam":       {scope: ofUser, shape: counts},
	"mda":            {scope: ofUser, shape: text},
	"bsmtp":          {scope: ofUser, shape: text, none: "there is no such destination; mail goes where deliver: says"},
	"lmtp":           {scope: ofUser, shape: flag, off: true},
	"preconnect":     {scope: ofUser, shape: text},
	"postconnect":    {scope: ofUser, shape: text, none: "nothing is run after a session"},
	"batchlimit":     {scope: ofUser, shape: count, none: "messages: of the destination says how many go over one connection"},
	"fetchlimit":     {scope: ofUser, shape: count, none: "there is a budget in octets (budget:, line:), and none in messages"},
	"fetchsizelimit": {scope: ofUser, shape: count, none: windows},
	"fastuidl":       {scope: ofUser, shape: count, none: "where a server allows it, only what is new is listed here"},
	"expunge":        {scope: ofUser, shape: count, none: "mail is let go of when it is durable here, however many there are"},
	"limit":          {scope: ofUser, shape: count},
	"warnings":       {scope: ofUser, shape: count},
	"keep":           {scope: ofUser, shape: flag, off: true},
	"flush":          {scope: ofUser, shape: flag, off: true, none: "only what was collected by mailretr is deleted; see after:"},
	"limitflush":     {scope: ofUser, shape: flag, off: true, none: "nothing is deleted that was not collected"},
	"fetchall":       {scope: ofUser, shape: flag, off: true},
	"rewrite":        {scope: ofUser, shape: flag, off: true, none: octets},
	"forcecr":        {scope: ofUser, shape: flag, off: true, none: ended},
	"stripcr":        {scope: ofUser, shape: flag, off: true, none: ended},
	"pass8bits":      {scope: ofUser, shape: flag, off: true, none: "BODY=8BITMIME is said wherever the MTA offers it"},
	"dropstatus":     {scope: ofUser, shape: flag, off: true, none: octets},
	"dropdelivered":  {scope: ofUser, shape: flag, off: true, none: octets},
	"mimedecode":     {scope: ofUser, shape: flag, off: true, none: octets},
	"idle":           {scope: ofUser, shape: flag, off: true},
	"ssl":            {scope: ofUser, shape: flag, off: true},
	"sslkey":         {scope: ofUser, shape: text},
	"sslcert":        {scope: ofUser, shape: text},
	"sslproto":       {scope: ofUser, shape: text},
	"sslcertck":      {scope: ofUser, shape: flag, off: true},
	"sslcertfile":    {scope: ofUser, shape: text},
	"sslcertpath":    {scope: ofUser, shape: text, none: hashed},
	"sslcommonname":  {scope: ofUser, shape: text},
	"sslfingerprint": {scope: ofUser, shape: text, none: md5},

	"properties": {scope: ofUser | ofSet, shape: text, none: "fetchmail ignores it too"},
}
