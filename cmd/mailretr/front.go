package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/relay/smtpd"
	"mailretr/store"
	"mailretr/store/mail"
)

// The fronts of a daemon: one server for each entry of listen.
type fronts struct {
	mu   sync.Mutex
	all  []*front // in the order of the configuration
	work sync.WaitGroup
}

// A front is a listener that is open, and its server.
type front struct {
	at     conf.Listener
	server *smtpd.Server
	socket net.Listener
	stop   context.CancelFunc // nil: it does not serve yet
}

// frontOf says in the words of smtpd what a listener takes.
func (h *house) frontOf(l *conf.Listener) (o smtpd.Options, err error) {
	o = smtpd.Options{
		Name: l.Name(), LMTP: l.Kind == "lmtp", Networks: l.Prefixes(), Complete: l.Complete,
		Limits: frontLimits(&l.Limits), Queue: h.queue, Observe: h.around.observe, Now: h.now,
		Full: func(err error) bool { return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrLimit) },
		Routed: func(e mail.Envelope, r mail.Recipient) bool {
			return len(h.route(mail.Origin{}, e, r)) > 0
		},
	}
	for _, d := range l.Domains {
		o.Domains = append(o.Domains, strings.ToLower(d))
	}
	secured := map[conf.Mode]smtpd.Security{conf.ModeStartTLS: smtpd.StartTLS, conf.ModeImplicit: smtpd.Implicit}
	o.Security = secured[l.TLS.Mode]
	if o.Security != smtpd.Plain {
		c, err := smtpd.NewCertificate(l.TLS.Cert, l.TLS.Key)
		if err != nil {
			return o, unfit(l, fmt.Errorf("the certificate: %w", err))
		}
		o.Certificate = c.Get
	}
	if l.Users != "" {
		if o.Users, err = smtpd.NewUsers(l.Users); err != nil {
			return o, unfit(l, fmt.Errorf("users: %w", err))
		}
	}
	return o, nil
}

// unfit is a listener whose files cannot be used.
func unfit(l *conf.Listener, err error) error {
	return &control.Error{Code: control.Config, Text: fmt.Sprintf("listen: %s: %v", l.Name(), err),
		Hint: "mend the file, or take the entry out"}
}

// frontProblems looks whether the files of listeners can be used. The daemon may be another user: what it finds are
// warnings.
func frontProblems(c *conf.Config) (list []conf.Problem) {
	for i := range c.Listen {
		l := &c.Listen[i]
		if l.Users != "" {
			if _, err := smtpd.NewUsers(l.Users); err != nil {
				list = append(list, conf.Problem{Pos: l.At.Of("users"), Severity: conf.Warning,
					Text: fmt.Sprintf("users: %v", err), Hint: "the daemon does not start with it"})
			}
		}
		if l.TLS.Mode != conf.ModeNone {
			if _, err := smtpd.NewCertificate(l.TLS.Cert, l.TLS.Key); err != nil {
				list = append(list, conf.Problem{Pos: l.TLS.At.Of("cert"), Severity: conf.Warning,
					Text: fmt.Sprintf("tls: the certificate cannot be used: %v", err),
					Hint: "the daemon does not start without it"})
			}
		}
	}
	return list
}

// frontLimits are those of smtpd, in which 0 means the default and -1 none.
func frontLimits(l *conf.FrontLimits) smtpd.Limits {
	none := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	x := smtpd.Limits{
		Connections: l.Connections, PerClient: none(l.PerClient), Rate: none(l.Rate), Recipients: l.Recipients,
		Size: l.Size, Line: int(l.Line), Header: int(l.Header), Hops: l.Hops, Errors: l.Errors,
		Command: l.Command, Data: l.Data, Greeting: l.Greeting, Grace: max(l.Stop, 1),
	}
	if x.Size == 0 {
		x.Size = -1
	}
	return x
}

// openFronts returns a front for each listener of a configuration: those of old that can go on, and new ones.
// After an error nothing has changed.
func (h *house) openFronts(ctx context.Context, c *conf.Config, old []*front) (all []*front, err error) {
	var made []*front
	defer func() {
		if err != nil {
			for _, f := range made {
				f.socket.Close()
			}
		}
	}()
	for i := range c.Listen {
		l := &c.Listen[i]
		if k := slices.IndexFunc(old, func(f *front) bool { return f.at.Name() == l.Name() }); k >= 0 {
			if f := old[k]; f.at.Mode != l.Mode || f.at.Group != l.Group {
				return nil, fmt.Errorf("listen: %s: another mode or group needs a restart", l.Name())
			}
			all = append(all, old[k])
			continue
		}
		f := &front{at: *l}
		if f.socket, err = listenAt(ctx, l); err != nil {
			return nil, err
		}
		made, all = append(made, f), append(all, f)
	}
	return all, nil
}

// listenAt opens the socket of a listener.
func listenAt(ctx context.Context, l *conf.Listener) (net.Listener, error) {
	if l.Network == "unix" {
		gid, err := groupID(l.Group)
		if err != nil {
			return nil, unfit(l, err)
		}
		s, err := control.ListenAs(l.Address, fs.FileMode(l.Mode), gid)
		return s, unmade(err)
	}
	s, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return nil, &exit{exCantCreat, &control.Error{Code: control.Internal, Text: fmt.Sprintf("listen: %v", err),
			Hint: "stop what listens there, or choose another address; a port below 1024 needs root or " +
				"CAP_NET_BIND_SERVICE"}}
	}
	return s, nil
}

// groupID is the number of a group; -1 for none.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(g.Gid)
}

// frontOptions are those of each front, by its entry in this configuration.
func (h *house) frontOptions(c *conf.Config) (all []smtpd.Options, err error) {
	for i := range c.Listen {
		o, err := h.frontOf(&c.Listen[i])
		if err != nil {
			return nil, err
		}
		o.Hostname = c.Hostname
		all = append(all, o)
	}
	return all, nil
}

// front opens and sets the listeners of a configuration; what is not in it any more ends in good order. After
// an error everything is as before. The fronts serve until ctx ends.
func (d *serving) front(ctx context.Context, c *conf.Config) error {
	d.fronts.mu.Lock()
	defer d.fronts.mu.Unlock()
	options, err := d.frontOptions(c)
	if err != nil {
		return err
	}
	old := d.fronts.all
	all, err := d.openFronts(ctx, c, old)
	if err != nil {
		return err
	}
	for i, f := range all {
		f.at = c.Listen[i]
		if err := d.serveFront(ctx, f, options[i]); err != nil {
			return err
		}
	}
	d.fronts.all = all
	for _, f := range old {
		if !slices.Contains(all, f) {
			f.stop()
		}
	}
	return nil
}

// serveFront gives a front its options, and lets a new one begin.
func (d *serving) serveFront(ctx context.Context, f *front, o smtpd.Options) (err error) {
	if f.server != nil {
		return f.server.Set(o)
	}
	if f.server, err = smtpd.New(o); err != nil {
		return err
	}
	ctx, f.stop = context.WithCancel(ctx)
	d.fronts.work.Go(func() {
		if err := f.server.Serve(ctx, f.socket); err != nil {
			d.observe(mail.Event{Op: mail.OpFront, Err: err, Alarm: true,
				Text: "the listener " + o.Name + " has ended"})
		}
	})
	d.observe(mail.Event{Op: mail.OpFront, Text: "clients may bring mail to " + o.Name})
	return nil
}

// counts are those of the fronts, for the status.
func (d *serving) counts() (list []control.Front) {
	d.fronts.mu.Lock()
	defer d.fronts.mu.Unlock()
	for _, f := range d.fronts.all {
		list = append(list, control.Front{Listener: f.at.Name(), Protocol: f.at.Kind,
			Stats: f.server.Stats()})
	}
	return list
}
