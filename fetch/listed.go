package fetch

import "mailretr/store/mail"

// Listed is the account that a maildrop has listed last: who has set it up has proved the password. "": it never did.
func (p *Poller) Listed(name string) mail.Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.drops[name]
	if e == nil || e.state.Met.IsZero() {
		return ""
	}
	return e.state.Account
}
