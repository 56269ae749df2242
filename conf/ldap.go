package conf

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// LDAP says how a directory is asked for maildrops.
type LDAP struct {
	URL      string   // ldap://host:389, ldaps://host:636, or ldapi:///path/of/a/socket; as written
	Replicas []string // other servers that hold the same, in this order asked where the ones before cannot be used; as URL
	TLS      TLS
	Bind     string // the DN that it logs in as; External; "": nobody
	Password Secret // of Bind
	Base     string // the entry at or below which is looked
	Scope    string // sub, one or base
	Preset   string // the name of a Schema; "": Filter and Attributes, or, where there are none of these, mailretr

	Filter     string              // of RFC 4515; beside a preset it goes instead of that of the preset
	Attributes map[string][]string // by the names of Columns, the first one counts that an entry has; see Schema
	Values     map[string]string   // by the names of Columns: what is meant where an entry has none

	called map[string]string // by column, the attributes; set by complete
}

// External, for a DN, says that the server knows us by our certificate or our user (SASL EXTERNAL).
const External = "external"

// A Schema says how a kind of entries is read.
type Schema struct {
	Filter     string
	Attributes map[string][]string          // "../mail" is the attribute mail of the entry above
	Values     map[string]string            // where the entry has none
	Words      map[string]map[string]string // by column: what values, in lower case, are called in Columns
}

// Schemas are the presets: kinds of entries that people have.
var Schemas = map[string]Schema{
	"mailretr": {
		Filter: "(objectClass=mailretrMaildrop)",
		Attributes: map[string][]string{
			"name": {"mailretrName"}, "active": {"mailretrActive"}, "protocol": {"mailretrProtocol"}, "host": {"mailretrHost"},
			"port": {"mailretrPort"}, "tls": {"mailretrTLS"}, "user": {"mailretrUser"}, "password": {"mailretrPassword"},
			"folders": {"mailretrFolder"}, "keep": {"mailretrKeep"}, "interval": {"mailretrInterval"},
			"recipient": {"mailretrRecipient", "mail"}, "deliver": {"mailretrDeliver"},
		},
	},
	// Without fetchmailSSL, fetchmail uses STARTTLS where it is offered, and here it is required.
	"fetchmail": {
		Filter: "(&(objectClass=fetchmail)(fetchmailServer=*))",
		Attributes: map[string][]string{
			"active": {"fetchmailEnabled"}, "protocol": {"fetchmailProtocol"}, "host": {"fetchmailServer"}, "tls": {"fetchmailSSL"},
			"user": {"fetchmailUsername"}, "password": {"fetchmailPassword"}, "recipient": {"mail", "../mail"},
			"options": {"fetchmailCustom"},
		},
		Values: map[string]string{"tls": "starttls", "password_encoding": "plain"},
	},
	// What a user has several of stands in values that are lists; see package ldap.
	"univention": {
		Filter: "(&(objectClass=univentionFetchmail)(univentionObjectType=users/user))",
		Attributes: map[string][]string{
			"host": {"univentionFetchmailServer"}, "protocol": {"univentionFetchmailProtocol"},
			"user": {"univentionFetchmailAddress"}, "password": {"univentionFetchmailPasswd"},
			"keep": {"univentionFetchmailKeepMailOnServer"}, "tls": {"univentionFetchmailUseSSL"},
			"recipient": {"mailPrimaryAddress"},
		},
		Values: map[string]string{"tls": "starttls", "keep": "0", "password_encoding": "plain"},
	},
	"zimbra": {
		Filter: "(|(objectClass=zimbraPop3DataSource)(objectClass=zimbraImapDataSource))",
		Attributes: map[string][]string{
			"active": {"zimbraDataSourceEnabled"}, "protocol": {"objectClass"}, "host": {"zimbraDataSourceHost"},
			"port": {"zimbraDataSourcePort"}, "tls": {"zimbraDataSourceConnectionType"}, "user": {"zimbraDataSourceUsername"},
			"password": {"zimbraDataSourcePassword"}, "id": {"zimbraDataSourceId"}, "keep": {"zimbraDataSourceLeaveOnServer"},
			"interval":  {"zimbraDataSourcePollingInterval"},
			"recipient": {"../zimbraMailDeliveryAddress", "../mail"},
		},
		Values: map[string]string{"active": "FALSE", "tls": "none", "password_encoding": "plain"},
		Words:  map[string]map[string]string{"tls": {"cleartext": "none", "tls": "starttls", "tls_if_available": "starttls"}},
	},
}

// Schema is what its preset and its own words say together.
func (l *LDAP) Schema() Schema {
	s := Schemas[l.Preset]
	s.Attributes, s.Values = joined(s.Attributes, l.Attributes), joined(s.Values, l.Values)
	if l.Filter != "" {
		s.Filter = l.Filter
	}
	return s
}

func joined[V any](below, above map[string]V) map[string]V {
	all := maps.Clone(below)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, above)
	return all
}

// URLs are those of all servers, in the order in which they are asked.
func (l *LDAP) URLs() []string { return append([]string{l.URL}, l.Replicas...) }

// Directory says where the server of a URL of LDAP is, for package net; the host is what its certificate is for.
func Directory(server string) (network, address, host string, err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", "", "", errors.New("it is no URL")
	}
	port := map[string]string{"ldap": "389", "ldaps": "636", "ldapi": "-"}[u.Scheme]
	switch {
	case port == "":
		return "", "", "", errors.New("ldap://, ldaps:// or ldapi:// is wanted at its beginning")
	case u.User != nil:
		return "", "", "", errors.New("who logs in does not belong into the url, but into bind: and password: beside it")
	case u.RawQuery != "" || u.Fragment != "" || u.Scheme != "ldapi" && strings.Trim(u.Path, "/") != "":
		return "", "", "", errors.New("nothing may follow the host and port; base, scope and filter have their own keys")
	case u.Scheme == "ldapi":
		return socketOf(u)
	case u.Hostname() == "":
		return "", "", "", errors.New("it names no host")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return "tcp", net.JoinHostPort(u.Hostname(), port), u.Hostname(), nil
}

// socketOf reads ldapi:///path, or the path with its slashes escaped in the place of the host, as OpenLDAP writes it.
func socketOf(u *url.URL) (network, address, host string, err error) {
	path := u.Path
	if u.Host != "" {
		if path, err = url.PathUnescape(u.Host); err != nil || strings.Trim(u.Path, "/") != "" {
			return "", "", "", errors.New("it has no path of a socket")
		}
	}
	if strings.Trim(path, "/") == "" {
		path = "/var/run/slapd/ldapi" // of Debian
	}
	if path[0] != '/' || len(path) > maxSocket {
		return "", "", "", errors.New("it has no path of a socket")
	}
	return "unix", path, "", nil
}

// own makes it our own schema, where nothing says which attributes there are.
func (l *LDAP) own() {
	if l.Preset == "" && len(l.Attributes) == 0 {
		l.Preset = "mailretr"
	}
}

// complete fills in how the connection is secured.
func (l *LDAP) complete(at Where) {
	l.TLS.At.inherit(at, "tls")
	if l.Scope == "" {
		l.Scope = "sub"
	}
	l.called = map[string]string{}
	for column, names := range l.Schema().Attributes {
		l.called[column] = strings.Join(names, " or ")
	}
	if l.TLS.Mode != ModeDefault {
		return
	}
	switch {
	case strings.HasPrefix(l.URL, "ldaps:"):
		l.TLS.Mode = ModeImplicit
	case l.inside():
		l.TLS.Mode = ModeNone
	default:
		l.TLS.Mode = ModeStartTLS
	}
}

// inside says whether all servers are on this machine.
func (l *LDAP) inside() bool {
	return !slices.ContainsFunc(l.URLs(), func(server string) bool {
		network, _, host, err := Directory(server)
		return err != nil || network != "unix" && !Loopback(host)
	})
}

// mostServers bounds how many are asked one after another.
const mostServers = 8

// servers checks where they are.
func (v *validator) servers(at Where, l *LDAP) {
	if !v.need(at, "url", l.URL, "write url: ldaps://ldap.example.org") {
		return
	}
	all := l.URLs()
	scheme, _, _ := strings.Cut(l.URL, ":")
	for i, server := range all {
		_, _, _, err := Directory(server)
		switch {
		case err != nil:
			v.fail(at.Of("url"), "write it as ldaps://ldap.example.org", "url: %v", err)
		case slices.Contains(all[:i], server):
			v.fail(at.Of("url"), "write it once", "url: %s is there twice", short(server))
		case !strings.HasPrefix(server, scheme+":"):
			v.fail(at.Of("url"), "write all as "+scheme+"://", "url: %s is secured in another way than the first one", short(server))
		}
	}
	if len(all) > mostServers {
		v.fail(at.Of("url"), "remove some", "url: more than %d servers", mostServers)
	}
}

func (v *validator) ldap(s *Source) {
	v.directory(s.At, s.LDAP)
	v.schema(s)
}

// directory checks where it is, and how to log in.
func (v *validator) directory(at Where, l *LDAP) {
	v.servers(at, l)
	v.tls(&l.TLS)
	if (l.TLS.Mode == ModeImplicit) != strings.HasPrefix(l.URL, "ldaps:") && at.Has("tls") {
		v.fail(at.Of("tls"), "write ldaps:// in url, or remove tls", "tls: ldaps is implicit TLS, and nothing else is")
	}
	v.clean(at, "bind", l.Bind)
	v.secret(at, "password", l.Password)
	switch {
	case l.Bind == External && l.Password.Given():
		v.fail(at.Of("password"), "remove it", "password: bind: external needs none")
	case l.Bind != "" && l.Bind != External && !l.Password.Given():
		v.fail(at.Of("bind"), "write password: {file: /etc/mailretr/ldap.pass}", "bind: there is no password for it")
	case l.Bind == "" && l.Password.Given():
		v.fail(at.Of("password"), "write bind: with the DN that it is for", "password: nobody logs in with it")
	}
	v.clean(at, "base", l.Base)
	v.one(at, "scope", l.Scope, "sub", "one", "base")
}

// schema checks what becomes of an entry.
func (v *validator) schema(s *Source) {
	l := s.LDAP
	if _, known := Schemas[l.Preset]; l.Preset != "" && !known {
		v.fail(s.At.Of("preset"), "write one of: "+strings.Join(slices.Sorted(maps.Keys(Schemas)), ", "),
			"preset: %q is not known", l.Preset)
		return
	}
	if l.Preset == "" {
		v.need(s.At, "filter", l.Filter, "write filter: (objectClass=…), or preset: instead of attributes:")
	}
	for _, column := range slices.Sorted(maps.Keys(l.Attributes)) {
		v.column(s, "attributes", column)
		for _, a := range l.Attributes[column] {
			if !attributeSyntax(strings.TrimPrefix(a, "../")) {
				v.fail(s.At.Of("attributes"), "write its name, or ../ and its name for one of the entry above",
					"attributes: %q is no attribute", a)
			}
		}
	}
	for _, column := range slices.Sorted(maps.Keys(l.Values)) {
		v.column(s, "values", column)
	}
	all := l.Schema()
	for _, column := range []string{"host", "user", "password", "recipient"} {
		if len(all.Attributes[column]) == 0 && all.Values[column] == "" {
			v.fail(s.At.Of("attributes"), "write attributes: {"+column+": …}", "attributes: nothing says %s", column)
		}
	}
}

func (v *validator) column(s *Source, key, column string) {
	if !slices.Contains(Columns, column) {
		v.fail(s.At.Of(key), "write one of: "+strings.Join(Columns, ", "), "%s: %q is not known", key, column)
	}
}

// attributeSyntax says whether this is a name, or an object identifier, with options (RFC 4512, 2.5).
func attributeSyntax(s string) bool {
	for _, r := range s {
		if !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-.;", r)) {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// attribute is what a column of a row is called in the directory.
func (l *LDAP) attribute(column string) string {
	if name := l.called[column]; name != "" {
		return name
	}
	return column
}

// same says whether two are asked in the same way.
func (l *LDAP) same(o *LDAP) bool {
	a, b := *l, *o
	equal := a.Password.Equal(b.Password)
	for _, x := range []*LDAP{&a, &b} {
		x.Password, x.TLS.At = Secret{}, Where{}
	}
	return equal && reflect.DeepEqual(a, b)
}
