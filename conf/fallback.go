package conf

import (
	"slices"
	"strings"
	"time"
)

// A Fallback is where mail goes that has waited for a destination too long.
type Fallback struct {
	At Where `json:"-"`

	To    string        // name of a destination
	After time.Duration // since the message was queued, or came from the destination before
}

func (v *validator) fallback(d *Destination) {
	f := d.Fallback
	if f == nil {
		return
	}
	v.span(f.At, "after", f.After, time.Minute, 365*24*time.Hour)
	if !v.need(f.At, "to", f.To, "write the name of another destination") {
		return
	}
	if _, ok := v.c.Destination(f.To); !ok {
		v.fail(f.At.Of("to"), "write one of: "+strings.Join(v.destinationNames(), ", "),
			"to: there is no destination %q", f.To)
		return
	}
	path := []string{d.Name}
	for next := d; next.Fallback != nil; {
		to := next.Fallback.To
		if slices.Contains(path, to) {
			if to == d.Name { // else it is told of those in the circle
				v.fail(f.At.Of("to"), "let the last of them have none",
					"fallback: mail would go in a circle: %s", strings.Join(append(path, to), ", then "))
			}
			return
		}
		path = append(path, to)
		i := slices.IndexFunc(v.c.Deliver, func(x Destination) bool { return x.Name == to })
		if i < 0 {
			return
		}
		next = &v.c.Deliver[i]
	}
	v.late(d)
}

// late warns of a fall-back that comes when the message was given up already.
func (v *validator) late(d *Destination) {
	expire := v.c.Queue.Expire
	if d.Expire > 0 {
		expire = d.Expire
	}
	if d.Fallback.After >= expire {
		v.warn(d.Fallback.At.Of("after"), "write less than "+Duration(expire),
			"after: mail is given up after %s, before it goes there", Duration(expire))
	}
}
