package conf

import "time"

// Notify says who is told when a maildrop has been in trouble for long, and when it is well again.
type Notify struct {
	At Where `json:"-"`

	Mail      []string      // addresses, and the word Owner; nil: nobody
	After     time.Duration // of trouble, before somebody is told
	Recovered time.Duration // of being well, before somebody is told
	Webhook   *Webhook      // nil: none
}

// Owner stands for the recipients of the maildrop in Notify.Mail; of a multi-drop that is the postmaster.
const Owner = "owner"

func (v *validator) notify() {
	n := &v.c.Notify
	for _, to := range n.Mail {
		if to != Owner {
			v.address(n.At, "mail", to)
		}
	}
	if len(n.Mail) > 20 {
		v.fail(n.At.Of("mail"), "write the address of a mailing list", "mail: more than 20 addresses")
	}
	v.span(n.At, "after", n.After, time.Minute, 30*24*time.Hour)
	v.span(n.At, "recovered", n.Recovered, time.Minute, 30*24*time.Hour)
	if n.Webhook != nil {
		v.webhook(n.Webhook)
	}
}
