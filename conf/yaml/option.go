package yaml

import (
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// An option is one key of a section T: how it is read, shown and explained. The constructors below make all
// three from where the value is kept.
type option[T any] struct {
	key     string
	doc     string // sentences for people; Describe wraps them
	example string // a value in YAML; "" for sections, which have their own table
	off     bool   // Describe puts it behind a #: rarely wanted, or it would contradict another
	adds    bool   // may be written in several files

	read    func(*decoder, *yaml.Node, *T)
	show    func(shower, *T) *yaml.Node // nil where there is nothing to show
	explain func(*printer)              // of a section
}

// rare marks an option that few need.
func (o option[T]) rare() option[T] {
	o.off = true
	return o
}

// value is an option with one value, which has a form in words.
func value[T, V any](key, doc, example string, f func(*T) *V,
	parse func(string) (V, error), format func(V) string) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) { parsed(d, n, key, parse, f(v)) },
		show: func(_ shower, v *T) *yaml.Node { return scalar(format(*f(v))) },
	}
}

// text is an option whose value is taken as it is written.
func text[T any](key, doc, example string, f func(*T) *string) option[T] {
	same := func(s string) (string, error) { return s, nil }
	return value(key, doc, example, f, same, func(s string) string { return s })
}

func span[T any](key, doc, example string, f func(*T) *time.Duration) option[T] {
	return value(key, doc, example, f, conf.ParseDuration, conf.Duration)
}

func size[T any](key, doc, example string, f func(*T) *int64) option[T] {
	return value(key, doc, example, f, conf.ParseSize, conf.Size)
}

func path[T any](key, doc, example string, f func(*T) *string) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) { *f(v) = d.path(n, key) },
		show: func(_ shower, v *T) *yaml.Node { return scalar(*f(v)) },
	}
}

func number[T any](key, doc, example string, f func(*T) *int) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) { d.number(n, key, f(v)) },
		show: func(_ shower, v *T) *yaml.Node { return bare(strconv.Itoa(*f(v)), "!!int") },
	}
}

func truth[T any](key, doc, example string, f func(*T) *bool) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) { d.flag(n, key, f(v)) },
		show: func(_ shower, v *T) *yaml.Node { return bare(strconv.FormatBool(*f(v)), "!!bool") },
	}
}

func list[T any](key, doc, example string, f func(*T) *[]string) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) { *f(v) = d.texts(n, key) },
		show: func(_ shower, v *T) *yaml.Node { return sequence(*f(v)) },
	}
}

// values is a list of values, or one, which have a form in words.
func values[T, V any](key, doc, example string, f func(*T) *[]V,
	parse func(string) (V, error), format func(V) string) option[T] {
	return option[T]{
		key: key, doc: doc, example: example,
		read: func(d *decoder, n *yaml.Node, v *T) {
			*f(v) = nil
			d.each(n, func(x *yaml.Node) {
				var one V
				before := d.failed
				if parsed(d, x, key, parse, &one); d.failed == before { // else it was told, and would be told of again
					*f(v) = append(*f(v), one)
				}
			})
		},
		show: func(_ shower, v *T) *yaml.Node {
			var words []string
			for _, one := range *f(v) {
				words = append(words, format(one))
			}
			return sequence(words)
		},
	}
}

// spans is a list of durations.
func spans[T any](key, doc, example string, f func(*T) *[]time.Duration) option[T] {
	return values(key, doc, example, f, conf.ParseDuration, conf.Duration)
}

// sub is a section inside another.
func sub[T, S any](key, doc string, table []option[S], f func(*T) *S, at func(*S) *conf.Where) option[T] {
	return option[T]{
		key: key, doc: doc, adds: true, // its keys tell of themselves when they are written twice
		read:    func(d *decoder, n *yaml.Node, v *T) { section(d, n, table, f(v), at(f(v))) },
		show:    func(s shower, v *T) *yaml.Node { return mapping(s, table, f(v), usual(f), *at(f(v))) },
		explain: func(p *printer) { explain(p, table) },
	}
}

// usual is a section of the file in which nothing was written; nil for one of something else.
func usual[T, S any](f func(*T) *S) *S {
	c := conf.Default()
	if t, ok := any(&c).(*T); ok {
		return f(t)
	}
	return nil
}

// optional is a section that is there only where it was written.
func optional[T, S any](key, doc string, table []option[S], f func(*T) **S, at func(*S) *conf.Where) option[T] {
	return option[T]{
		key: key, doc: doc,
		read: func(d *decoder, n *yaml.Node, v *T) {
			s := new(S)
			*f(v), at(s).Self = s, d.pos(n)
			section(d, n, table, s, at(s))
		},
		show: func(s shower, v *T) *yaml.Node {
			if *f(v) == nil {
				return nil
			}
			return mapping(s, table, *f(v), nil, *at(*f(v)))
		},
		explain: func(p *printer) { explain(p, table) },
	}
}
