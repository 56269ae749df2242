package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/idfile"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/fetch/pop3"
	"mailretr/store/mail"
)

func newForeignSeen(a *app) *cobra.Command {
	var x seenImport
	c := &cobra.Command{
		Use:   "seen FILE",
		Short: "Remember what another program has collected, so that it is not collected again",
		Long: "Reads what fetchmail (.fetchids), mpop (uidls) or getmail (oldmail-HOST-PORT-USER) remembers of the\n" +
			"messages that it has collected, and marks those as known: they are not collected again, and not deleted\n" +
			"either. Marks that stand already stay, and the file is not changed, so it can be repeated. Maildrops are\n" +
			"found by host and user; a file of getmail is for one, named with --maildrop. Do it while the other\n" +
			"program rests, and before the first poll.",
		Args: wants(1, "a file", 1),
		RunE: func(c *cobra.Command, args []string) error { return a.adoptSeen(c.Context(), &x, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&x.maildrop, "maildrop", "", "`name` of the only maildrop that it is about")
	f.StringVar(&x.folder, "folder", "INBOX", "of getmail and IMAP: `name` of the folder that the file is about")
	f.BoolVarP(&x.dryRun, "dry-run", "n", false, "only say what would be done")
	return c
}

type seenImport struct {
	maildrop, folder string
	dryRun           bool
}

// adoptSeen marks what is in a file.
func (a *app) adoptSeen(ctx context.Context, x *seenImport, file string) error {
	f, err := opened(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lists, odd, err := idfile.Read(f)
	if err != nil {
		return &exit{exDataErr, fmt.Errorf("%s: %w", file, err)}
	}
	l := a.load(ctx)
	if l.err != nil {
		a.problems(l.problems)
		return l.err
	}
	if odd > 0 {
		a.talk.Printf("%s: %s left out: they make no sense\n", mail.Printable(file, 300), term.Count(odd, "line"))
	}
	missing := false
	err = a.house(ctx, func(d *control.Client) error {
		for _, list := range lists {
			drops := x.meant(&l.config, list)
			if len(drops) == 0 {
				missing = true
				a.talk.Printf("%s of %s at %s: no maildrop of the configuration has this user and host\n",
					term.Count(len(list.IDs), "message"), orDash(mail.Printable(list.User, 100)),
					orDash(mail.Printable(list.Host, 100)))
			}
			for _, m := range drops {
				if err := a.know(ctx, d, x, m, list.IDs); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && missing {
		return told(exDataErr)
	}
	return err
}

// meant are the maildrops that a list is about: one for each account.
func (x *seenImport) meant(c *conf.Config, list idfile.List) (all []*conf.Maildrop) {
	had := map[mail.Account]bool{}
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		named := x.maildrop == m.Name && (list.Host == "" || x.same(m, list))
		found := x.maildrop == "" && list.Host != "" && x.same(m, list)
		account := mail.AccountOf(m.Protocol, m.Host, m.User)
		if (named || found) && !had[account] {
			had[account] = true
			all = append(all, m)
		}
	}
	return all
}

// same says whether a list is of the account of a maildrop. Files with hosts are of programs that remember POP3 only.
func (x *seenImport) same(m *conf.Maildrop, list idfile.List) bool {
	return m.Protocol == "pop3" && strings.EqualFold(m.Host, list.Host) && m.User == list.User
}

// knownAtOnce is how many messages one request names.
const knownAtOnce = 5000

// know marks messages of one maildrop.
func (a *app) know(ctx context.Context, d *control.Client, x *seenImport, m *conf.Maildrop, ids []string) error {
	q := control.SeenRequest{Maildrop: m.Name, DryRun: x.dryRun}
	total, odd := 0, 0
	for some := range slices.Chunk(ids, knownAtOnce) {
		q.UIDs = nil
		for _, id := range some {
			u, err := uidOf(m, x.folder, id)
			if err != nil {
				odd++
				continue
			}
			q.UIDs = append(q.UIDs, string(u))
		}
		n, err := d.Seen(ctx, control.Know, q)
		if err != nil {
			return err
		}
		total += n
	}
	if a.json {
		return a.line(map[string]any{"maildrop": m.Name, "verb": control.Know, "messages": len(ids), "count": total, "odd": odd,
			"dry_run": x.dryRun})
	}
	a.talk.Printf("%s of %s: %d marked as known", term.Count(len(ids), "message"), m.Name, total)
	if x.dryRun {
		a.talk.Printf(" (only tried)")
	}
	if rest := len(ids) - total - odd; rest > 0 {
		a.talk.Printf(", %d had a mark", rest)
	}
	if odd > 0 {
		a.talk.Printf(", %d are no ids of this protocol", odd)
	}
	a.talk.Printf("\n")
	return nil
}

var errNoID = errors.New("it is no id of this protocol")

// uidOf is what a message is called here.
func uidOf(m *conf.Maildrop, folder, id string) (mail.UID, error) {
	if m.Protocol == "pop3" {
		return pop3.UIDOf([]byte(id)), nil
	}
	validity, uid, ok := strings.Cut(id, "/")
	for _, s := range []string{validity, uid} {
		if n, err := strconv.ParseUint(s, 10, 32); !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
			return "", errNoID
		}
	}
	return mail.UID(folder + "/" + validity + "/" + uid), nil
}
