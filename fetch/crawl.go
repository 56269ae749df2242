package fetch

import "time"

// A size is what a server announces. One that announces a gigabyte, and then lets it trickle just fast enough not to be
// taken for dead, would keep the large mail of all other maildrops away for months. So a body that would take longer than a
// day at the rate at which it has come gives its large slot up and comes on beside. Its server gets no other large body
// meanwhile than it would anyway, so that it harms nobody else, and an honest line that is slow is not divided
// among more and more bodies.
const (
	crawlAfter = 15 * time.Minute // before that nothing is known of the rate
	crawlOver  = 24 * time.Hour
	// overrun is by how much a body may be longer than announced before its end counts as out of sight.
	overrun = 1 << 20
)

// pace is told how much of a body has come since it was asked for. left is what is to come, as announced.
func (s *session) pace(since time.Time, came, left int64) {
	if !s.largeSlot || s.crawls || came <= 0 {
		return
	}
	took := s.p.now().Sub(since)
	if took < crawlAfter || left > -overrun && float64(left)/float64(came) <= float64(crawlOver)/float64(took) {
		return
	}
	s.p.crawl(s)
}

// crawl takes the slot of a session back, and leaves its server's taken. At most half of all sessions go on like that.
func (p *Poller) crawl(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.offline || p.crawling >= (orDefault(p.Overall, 20)-1)/2 {
		return
	}
	s.crawls = true
	p.large--
	p.crawling++
	p.dispatch()
	p.wake()
}
