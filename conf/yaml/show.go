package yaml

import (
	"errors"
	"io"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// A shower says how a configuration is written.
type shower struct {
	origin bool // with the place of each setting, as a comment
	brief  bool // without what has its default
}

// Show writes the whole configuration, secrets as their source or ***; with origin, the place of each setting
// stands behind it.
func Show(w io.Writer, c *conf.Config, origin bool) error {
	return write(w, mapping(shower{origin: origin}, top, c, nil, c.At))
}

// Tree is what Show writes, as maps, lists and values with the keys of the file: for JSON.
func Tree(c *conf.Config) (tree any, err error) {
	err = mapping(shower{}, top, c, nil, c.At).Decode(&tree)
	return tree, err
}

// Write writes what differs from the defaults, and what was said although it does not, as a file that Load reads. A
// secret that stands in the configuration itself is refused: it belongs into a file of its own.
func Write(w io.Writer, c *conf.Config) error {
	for i := range c.Maildrops {
		if m := c.Maildrops[i]; m.Password.Plain() || m.Proxy.Password.Plain() {
			return errors.New("a password is not written into the configuration")
		}
	}
	for i := range c.OAuth {
		if c.OAuth[i].Secret.Plain() {
			return errors.New("a secret is not written into the configuration")
		}
	}
	for i := range c.Deliver {
		if c.Deliver[i].Password.Plain() {
			return errors.New("a password is not written into the configuration")
		}
	}
	for _, s := range c.Asked() {
		if s.Key.Plain() || s.SQL != nil && s.SQL.DSN.Plain() || s.LDAP != nil && s.LDAP.Password.Plain() {
			return errors.New("a secret is not written into the configuration")
		}
	}
	for _, s := range c.Web.SignIn {
		if s.SQL != nil && s.SQL.DSN.Plain() || s.LDAP != nil && s.LDAP.Password.Plain() {
			return errors.New("a secret is not written into the configuration")
		}
	}
	if w := c.Notify.Webhook; w != nil && w.Secret.Plain() {
		return errors.New("a secret is not written into the configuration")
	}
	for i := range c.Rewrite.Lookups {
		if l := &c.Rewrite.Lookups[i]; l.DSN.Plain() || l.LDAP != nil && l.LDAP.Password.Plain() {
			return errors.New("a secret is not written into the configuration")
		}
	}
	if c.Line.Proxy.Password.Plain() {
		return errors.New("a password is not written into the configuration")
	}
	base := conf.Default()
	return write(w, mapping(shower{brief: true}, top, c, &base, c.At))
}

func write(w io.Writer, n *yaml.Node) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return err
	}
	return enc.Close()
}

// mapping writes a section by its table; settings equal to those of base are left out of a brief one, where nobody
// has said them.
func mapping[T any](s shower, table []option[T], v, base *T, at conf.Where) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, o := range table {
		if o.show == nil {
			continue
		}
		n := o.show(s, v)
		if empty(n) || s.brief && base != nil && !at.Has(o.key) && equal(n, o.show(s, base)) {
			continue
		}
		if s.origin && o.explain == nil {
			n.LineComment = "# " + at.Of(o.key).String()
			if !at.Has(o.key) {
				n.LineComment = "# default"
			}
		}
		m.Content = append(m.Content, scalar(o.key), n)
	}
	return m
}

func empty(n *yaml.Node) bool {
	return n == nil || len(n.Content) == 0 && n.Value == ""
}

func equal(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !equal(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// scalar is a text; the encoder quotes it where it needs quotes.
func scalar(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// bare is a value that stands without quotes.
func bare(s, tag string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: s} }

// sequence is a list on one line.
func sequence(words []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, w := range words {
		n.Content = append(n.Content, scalar(w))
	}
	return n
}

// showSecret writes where a secret is found.
func showSecret(s conf.Secret) *yaml.Node {
	key, value := s.Form()
	switch key {
	case "":
		return nil
	case "plain":
		return scalar(s.String())
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	if key == "command" {
		n.Content = []*yaml.Node{scalar(key), sequence(value)}
	} else {
		n.Content = []*yaml.Node{scalar(key), scalar(value[0])}
	}
	return n
}
