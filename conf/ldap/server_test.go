package ldap

import (
	"bufio"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// server is a directory inside the process. Its filter is not looked at, but for what a test says.
type server struct {
	t        *testing.T
	mu       sync.Mutex
	password string
	others   map[string]string // passwords, by DN
	entries  []*ldap.Entry
	meant    func(base, filter string, e *ldap.Entry) bool
	page     int                // entries on a page; 0: the control is not known
	sync     bool               // it says that it synchronises, and does not
	raw      func(n int) []byte // instead of an answer to the n-th search; nil: it is answered
	result   int                // of searches
	text     string             // beside it
	searches []string           // base, filter and attributes
	conns    []net.Conn
}

func (s *server) dial(context.Context, string) (Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.t == nil {
		return nil, errors.New("refused")
	}
	here, there := net.Pipe()
	s.conns = append(s.conns, there)
	go s.serve(there)
	return plain{here}, nil
}

// cut closes all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

type plain struct{ net.Conn }

func (plain) StartTLS(context.Context) error { return errors.New("no TLS here") }

func (s *server) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for n := 0; ; {
		p, err := ber.ReadPacket(r)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			code := ldap.LDAPResultSuccess
			if want, ok := s.others[op.Children[1].Data.String()]; ok {
				if op.Children[2].Data.String() != want {
					code = ldap.LDAPResultInvalidCredentials
				}
			} else if s.password != "" && op.Children[2].Data.String() != s.password {
				code = ldap.LDAPResultInvalidCredentials
			}
			s.write(c, message(id, done(ldap.ApplicationBindResponse, code, s.text)))
		case ldap.ApplicationSearchRequest:
			n++
			if !s.search(c, id, n, op, p) {
				return
			}
		default:
			return
		}
	}
}

func (s *server) write(c net.Conn, p *ber.Packet) {
	c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	c.Write(p.Bytes())
}

func (s *server) search(c net.Conn, id int64, n int, op, p *ber.Packet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, scope := op.Children[0].Data.String(), op.Children[1].Value.(int64)
	filter, err := ldap.DecompileFilter(op.Children[6])
	if err != nil {
		s.t.Error(err)
	}
	if base == "" && scope == ldap.ScopeBaseObject {
		if s.sync {
			s.write(c, message(id, entryPacket(ldap.NewEntry("", map[string][]string{"supportedControl": {oidSync}}), []string{"supportedControl"})))
		}
		s.write(c, message(id, done(ldap.ApplicationSearchResultDone, 0, "")))
		return true
	}
	var names []string
	for _, a := range op.Children[7].Children {
		names = append(names, a.Data.String())
	}
	s.searches = append(s.searches, base+" "+filter+" "+strings.Join(names, ","))
	if s.raw != nil {
		if b := s.raw(len(s.searches)); b != nil {
			c.SetWriteDeadline(time.Now().Add(10 * time.Second))
			c.Write(b)
			return false
		}
	}
	if len(p.Children) > 2 && p.Children[2].Children[0].Children[0].Data.String() == oidSync {
		s.write(c, message(id, done(ldap.ApplicationSearchResultDone, ldap.LDAPResultUnavailableCriticalExtension, "")))
		return true
	}
	var found []*ldap.Entry
	for _, e := range s.entries {
		inside := scope != ldap.ScopeBaseObject && strings.HasSuffix(e.DN, base) || e.DN == base
		if inside && (s.meant == nil || s.meant(base, filter, e)) {
			found = append(found, e)
		}
	}
	end := message(id, done(ldap.ApplicationSearchResultDone, s.result, s.text))
	if s.page > 0 && len(p.Children) > 2 {
		from := 0
		if x, err := ldap.DecodeControl(p.Children[2].Children[0]); err == nil && len(x.(*ldap.ControlPaging).Cookie) > 0 {
			from = int(x.(*ldap.ControlPaging).Cookie[0])
		}
		to := min(from+s.page, len(found))
		answer := ldap.NewControlPaging(0)
		if to < len(found) {
			answer.SetCookie([]byte{byte(to)})
		}
		found = found[from:to]
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		controls.AppendChild(answer.Encode())
		end.AppendChild(controls)
	}
	for _, e := range found {
		s.write(c, message(id, entryPacket(e, names)))
	}
	s.write(c, end)
	return true
}

func message(id int64, op *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	return p
}

func done(tag ber.Tag, code int, text string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(text))
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func entryPacket(e *ldap.Entry, names []string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, a := range e.Attributes {
		if !slices.Contains(names, a.Name) {
			continue
		}
		one := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		one.AppendChild(octets(a.Name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			set.AppendChild(octets(v))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	p.AppendChild(list)
	return p
}

// reader asks the server.
func (s *server) reader(l conf.LDAP) *Reader {
	s.t.Helper()
	if l.Base == "" {
		l.Base = "dc=example"
	}
	l.TLS.Mode = conf.ModeNone
	r, err := New(conf.Source{Kind: "ldap", Name: "office", LDAP: &l}, s.dial)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

// said is what a reader yields, a line for each row.
func said(t *testing.T, r *Reader) (lines []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for row, err := range r.Rows(ctx) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, lineOf(row))
	}
	return lines, nil
}

func lineOf(row *conf.Row) string {
	line := row.ID + ":"
	for _, c := range conf.Columns {
		if v, ok := row.Columns[c]; ok {
			line += " " + c + "=" + v
		}
		if w, ok := row.Wrong[c]; ok {
			line += " " + c + " " + w
		}
	}
	return line
}
