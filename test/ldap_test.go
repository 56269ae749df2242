//go:build interop

package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/source"
	"mailretr/relay/wire"
	"mailretr/test/real"
)

// directory is a source in a slapd, with the octets that crossed its connections.
type directory struct {
	*source.Keeper
	reader *ldap.Reader
	meter  wire.Meter
}

// octets are those since it was asked last.
func (d *directory) octets() int64 { return d.meter.Up.Swap(0) + d.meter.Down.Swap(0) }

func directoryOf(t *testing.T, l conf.LDAP) *directory {
	t.Helper()
	d := &directory{}
	s := conf.DefaultSource()
	s.Kind, s.Name, s.LDAP = "ldap", "office", &l
	c := conf.Config{Sources: []conf.Source{s}}
	c.Complete(conf.Paths{})
	s = c.Sources[0]
	network, address, _, err := l.Endpoint()
	if err != nil {
		t.Fatal(err)
	}
	modes := map[conf.Mode]wire.Mode{conf.ModeNone: wire.Plain, conf.ModeImplicit: wire.Implicit}
	r, err := ldap.New(s, func(ctx context.Context) (ldap.Line, error) {
		return wire.Dial(ctx, wire.Options{Network: network, Address: address, Meter: &d.meter,
			TLS: wire.TLS{Mode: modes[s.LDAP.TLS.Mode], CAFile: l.TLS.CA}})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	d.reader = r
	d.Keeper = &source.Keeper{Source: s, Reader: r, Now: time.Now}
	return d
}

// ofSlapd asks a slapd on its socket, as its administrator.
func ofSlapd(s *real.Slapd, preset string) conf.LDAP {
	return conf.LDAP{URL: "ldapi://" + s.Socket, Bind: real.SlapdUser, Password: conf.SecretPlain(real.SlapdPassword),
		Base: real.SlapdBase, Preset: preset}
}

const ownSchema = "../cmd/mailretr/dist/mailretr.schema"

func ownEntry(n int) string {
	return fmt.Sprintf(`dn: cn=isp,uid=u%[1]d,%[2]s
objectClass: mailretrEntry
objectClass: mailretrMaildrop
cn: isp
mailretrName: u%[1]d
mailretrHost: imap.isp.example
mailretrUser: u%[1]d
mailretrPassword: p%[1]d
mailretrRecipient: u%[1]d@kroon.example

`, n, real.SlapdBase)
}

func owner(n int) string {
	return fmt.Sprintf("dn: uid=u%[1]d,%[2]s\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: u\nsn: u\nmail: u%[1]d@kroon.example\n\n", n,
		real.SlapdBase)
}

// Ten thousand entries; one changes, one goes, one comes; the server is stopped for a while: with and without synchronisation.
func TestSlapdSource(t *testing.T) {
	var ldif strings.Builder
	for i := range 10_000 {
		ldif.WriteString(owner(i) + ownEntry(i))
	}
	for name, overlay := range map[string]string{
		"session log": "overlay syncprov\nsyncprov-sessionlog 1000", "sync": "overlay syncprov", "list": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := real.NewSlapd(t, []string{ownSchema}, overlay, ldif.String())
			d := directoryOf(t, ofSlapd(s, "mailretr"))
			took := time.Hour
			for range 3 { // the best of three: the machine may have other things to do
				d = directoryOf(t, ofSlapd(s, "mailretr"))
				began := time.Now()
				if lines := drops(t, d.Keeper); len(lines) != 10_000 {
					t.Fatalf("%d maildrops, first %q", len(lines), lines[0])
				}
				took = min(took, time.Since(began))
				t.Logf("10,000 maildrops were read and joined in %s, %d octets", time.Since(began), d.octets())
				if took < 2*time.Second {
					break
				}
			}
			if took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			look := func(what string, want int) time.Duration {
				t.Helper()
				d.octets()
				began := time.Now()
				if err := d.Look(t.Context()); err != nil || len(d.Rows()) != want {
					t.Fatalf("%s: %v, %d rows", what, err, len(d.Rows()))
				}
				t.Logf("%s: %s, %d octets", what, time.Since(began).Round(10*time.Microsecond), d.octets())
				return time.Since(began)
			}
			look("as young as it is", 10_000)
			look("nothing has changed", 10_000)
			first := d.Rows()[0]
			s.Change("dn: cn=isp,uid=u5000," + real.SlapdBase + "\nchangetype: modify\nreplace: mailretrPassword\nmailretrPassword: other\n")
			look("one has changed", 10_000)
			if d.Rows()[0] != first {
				t.Error("a row that did not change is another")
			}
			if r := row(d, "u5000"); r == nil || r.Columns["password"] != "other" {
				t.Error("the change is not seen")
			}
			look("again", 10_000)
			s.Change("dn: cn=isp,uid=u7," + real.SlapdBase + "\nchangetype: delete\n")
			look("one has gone", 9_999)
			s.Change("dn: cn=isp,uid=u8," + real.SlapdBase + "\nchangetype: modify\ndelete: objectClass\nobjectClass: mailretrMaildrop\n-\n" +
				"delete: mailretrName\n-\ndelete: mailretrHost\n-\ndelete: mailretrUser\n-\ndelete: mailretrPassword\n-\ndelete: mailretrRecipient\n")
			look("one is a maildrop no longer", 9_998)
			s.Change("dn: cn=isp,uid=u9," + real.SlapdBase + "\nchangetype: modrdn\nnewrdn: cn=other\ndeleteoldrdn: 1\n")
			look("one has another name", 9_998)
			s.Stop()
			if err := d.Look(t.Context()); err == nil || len(d.Rows()) != 9_998 {
				t.Errorf("while it is away: %v, %d rows", err, len(d.Rows()))
			}
			s.Start()
			s.Change(strings.Replace(ownEntry(7), "\nobjectClass", "\nchangetype: add\nobjectClass", 1))
			look("when it is back, with one more", 9_999)
		})
	}
}

func row(d *directory, name string) *conf.Row {
	for _, r := range d.Rows() {
		if r.Columns["name"] == name {
			return r
		}
	}
	return nil
}
