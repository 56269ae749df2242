package fetch

import "context"

// Limit changes how many sessions, and large bodies, there are at once, as the fields PerServer, Overall and Large say it.
// What runs goes on.
func (p *Poller) Limit(perServer, overall, large int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	p.PerServer, p.Overall, p.Large = perServer, overall, large
	p.dispatch()
	p.wake()
}

// Update adds or replaces some maildrops and removes others; all that are not named are left as they are, with their
// sessions, their times and their failures. It is Set for a change of a few among many.
func (p *Poller) Update(ctx context.Context, changed []Drop, gone []string) {
	p.setting.Lock()
	defer p.setting.Unlock()
	states := p.load(ctx, changed)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	now := p.now()
	for _, d := range changed {
		p.set(d, states, now)
	}
	for _, name := range gone {
		if e := p.drops[name]; e != nil {
			p.remove(e)
		}
	}
	p.dispatch()
	p.wake()
}
