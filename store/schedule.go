package store

import "time"

// A Schedule says when a message is tried again and when it is given up. The zero value is the default.
type Schedule struct {
	// Retry are the pauses after the first, second … attempt; the last one repeats. Empty: 1m 5m 15m 30m 1h
	// 2h 4h.
	Retry []time.Duration
	// Expire is the age at which a message is given up, once an attempt was made after it. 0: 5 days, as
	// RFC 5321, 4.5.4.1 asks for.
	Expire time.Duration
	// Jitter changes a pause a little, so that what came together does not stay together. nil: it does not.
	Jitter func(time.Duration) time.Duration
}

var defaultRetry = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// Next says when a message is tried again that was queued then, was attempted so many times (1: the first
// time), and whose last attempt began at. sick is how long its lane was sick meanwhile: it does not count
// towards the age, up to Expire once more. expired: that was the last attempt; due means nothing then.
func (s Schedule) Next(at, queued time.Time, attempts int, sick time.Duration) (due time.Time, expired bool) {
	end := s.end(queued, sick)
	if !at.Before(end) {
		return time.Time{}, true
	}
	pause := s.pause(attempts)
	if s.Jitter != nil {
		pause = max(s.Jitter(pause), 0)
	}
	due = at.Add(pause)
	if due.After(end) { // the attempt that decides is made when the time is up, not a pause later
		due = end
	}
	return due, false
}

// end is when the time of a message is up.
func (s Schedule) end(queued time.Time, sick time.Duration) time.Time {
	return queued.Add(s.expire() + min(max(sick, 0), s.expire()))
}

func (s Schedule) pause(attempts int) time.Duration {
	retry := s.Retry
	if len(retry) == 0 {
		retry = defaultRetry
	}
	return retry[min(max(attempts, 1), len(retry))-1]
}

func (s Schedule) expire() time.Duration {
	if s.Expire > 0 {
		return s.Expire
	}
	return 5 * 24 * time.Hour
}

// Longest is the longest pause; a due time further away than this is a sign that the clock was wrong.
func (s Schedule) Longest() time.Duration {
	longest := time.Duration(0)
	for n := 1; n <= max(len(s.Retry), len(defaultRetry)); n++ {
		longest = max(longest, s.pause(n))
	}
	return longest
}
