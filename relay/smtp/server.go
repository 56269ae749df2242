package smtp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"mailretr/relay/wire"
)

// MX is the network of an entry of Options.Dial that names a domain, and a port: its servers are those of the MX
// records (RFC 5321, 5.1), looked up when a connection is to be made.
const MX = "mx"

// A Resolver looks up MX records, as *net.Resolver does.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
}

// A server is one host that may be dialled.
type server struct {
	wire.Options
	rank int // those of one rank are equal; a lower one is preferred
}

// key names a server for Shared.
func (s *server) key() string { return s.Network + " " + s.Address }

const (
	// mostFound bounds the servers of one look-up.
	mostFound = 20
	// lookupTime bounds a look-up; foundFor is how long its answer is used, staleFor how long it is where the name
	// server does not answer any more.
	lookupTime = 30 * time.Second
	foundFor   = 5 * time.Minute
	staleFor   = time.Hour
)

// lookedUp is the answer to a look-up.
type lookedUp struct {
	at      time.Time
	records []*net.MX
}

// servers lists whom to ask, in this order: by rank, equal ones in any order, and those that were away last.
func (c *Client) servers(ctx context.Context) ([]server, error) {
	all, err := c.expand(ctx)
	if len(all) == 0 {
		return nil, err
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b server) int { return a.rank - b.rank })
	var good, away []server
	for _, s := range all {
		// Once one is found that answers, those behind it need not be asked whether they answer again.
		if c.shared.isAway(s.key(), c.o.Now(), len(good) == 0) {
			away = append(away, s)
		} else {
			good = append(good, s)
		}
	}
	return append(good, away...), nil
}

// better lists the servers that were away and are preferred to the one of s, where it is time to ask them again.
func (c *Client) better(ctx context.Context, s *session) (list []server) {
	if s.rank == 0 || c.o.Balance {
		return nil
	}
	all, _ := c.expand(ctx) // an error is for when there is no connection
	for _, x := range all {
		if x.rank < s.rank && !c.shared.isAway(x.key(), c.o.Now(), true) {
			list = append(list, x)
		}
	}
	return list
}

// expand puts the servers of MX records in the place of their domain. An error is only returned where nobody is
// left to be asked.
func (c *Client) expand(ctx context.Context) (all []server, err error) {
	rank := 0
	for _, o := range c.o.Dial {
		if o.Network != MX {
			all = append(all, server{c.sharing(o), rank})
			if !c.o.Balance {
				rank++
			}
			continue
		}
		found, failed := c.exchangers(ctx, o)
		if failed != nil {
			err = &wire.Error{Doing: "looking up the MX records of " + hostOf(o.Address), Err: failed}
			continue
		}
		for i, x := range found {
			if i > 0 && x.Pref != found[i-1].Pref {
				rank++
			}
			one := o
			one.Network, one.Address = "tcp", net.JoinHostPort(strings.TrimSuffix(x.Host, "."), portOf(o.Address))
			all = append(all, server{c.sharing(one), rank})
		}
		rank++
	}
	return all, err
}

// sharing adds what is kept for a server.
func (c *Client) sharing(o wire.Options) wire.Options {
	if o.TLS.Sessions == nil {
		o.TLS.Sessions = c.shared.sessionsOf((&server{Options: o}).key())
	}
	return o
}

var (
	errNullMX = errors.New("the domain says that it takes no mail (null MX)")
	errOurs   = errors.New("the MX records lead to ourselves")
)

// exchangers returns the MX records of a domain, by preference. Without any, the domain itself is its only server
// (RFC 5321, 5.1); where they cannot be looked up it is not, since there may be some.
func (c *Client) exchangers(ctx context.Context, o wire.Options) ([]*net.MX, error) {
	domain := hostOf(o.Address)
	c.shared.mu.Lock()
	known := c.shared.lookedUp[domain]
	c.shared.mu.Unlock()
	now := c.o.Now()
	if known != nil && now.Sub(known.at) < foundFor && now.After(known.at.Add(-foundFor)) {
		return known.records, nil
	}
	limited, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	records, err := c.o.Resolver.LookupMX(limited, strings.TrimSuffix(domain, ".")+".")
	var dns *net.DNSError
	switch {
	case len(records) == 0 && errors.As(err, &dns) && dns.IsNotFound, len(records) == 0 && err == nil:
		records = []*net.MX{{Host: domain}}
	case len(records) == 0:
		if known != nil && now.Sub(known.at) < staleFor {
			return known.records, nil
		}
		return nil, err
	}
	if records, err = c.usable(records); err != nil {
		return nil, err
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.shared.lookedUp == nil {
		c.shared.lookedUp = map[string]*lookedUp{}
	}
	c.shared.lookedUp[domain] = &lookedUp{now, records}
	return records, nil
}

// usable sorts records, and leaves out what is not to be dialled: of those that lead to ourselves, and all behind
// them, we are the one who would have to take the mail (RFC 5321, 5.1).
func (c *Client) usable(records []*net.MX) (list []*net.MX, err error) {
	for _, x := range records {
		switch host := strings.TrimSuffix(x.Host, "."); {
		case host == "" && len(records) == 1:
			return nil, errNullMX // RFC 7505, 3
		case host != "" && len(host) <= 253 && !strings.ContainsAny(host, " \r\n\x00"):
			list = append(list, x)
		}
	}
	slices.SortStableFunc(list, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	ours := slices.IndexFunc(list, func(x *net.MX) bool {
		return strings.EqualFold(strings.TrimSuffix(x.Host, "."), c.o.Hello)
	})
	if ours >= 0 {
		pref := list[ours].Pref
		list = slices.DeleteFunc(list, func(x *net.MX) bool { return x.Pref >= pref })
	}
	switch {
	case len(list) > 0:
		return list[:min(len(list), mostFound)], nil
	case ours >= 0:
		return nil, errOurs
	}
	return nil, fmt.Errorf("none of the %d MX records names a host", len(records))
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func portOf(address string) string {
	if _, port, err := net.SplitHostPort(address); err == nil {
		return port
	}
	return "25"
}
