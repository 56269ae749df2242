package relay

import (
	"context"
	"slices"

	"mailretr/store/mail"
)

// checkAhead is how many headers are asked for at once where UIDs prove nothing: what a folder with a new
// UIDVALIDITY needs is all headers and no bodies.
const checkAhead = 128

// recognize fetches the headers of messages whose UIDs prove nothing, and leaves out those that were here before. release
// are those of them that may be let go of.
func (r *run) recognize(ctx context.Context, small, large []*mail.Message) (s, l []*mail.Message,
	release []mail.UID, err error) {
	check := make(map[mail.UID]bool, len(r.check))
	for _, u := range r.check {
		check[u] = true
	}
	var doubted []*mail.Message
	for _, m := range slices.Concat(small, large) {
		if check[m.Origin.UID] {
			doubted = append(doubted, m)
		}
	}
	out := map[mail.UID]bool{}
	for some := range slices.Chunk(doubted, checkAhead) {
		known, let, err := r.headers(ctx, some, out)
		if noHeaders(err) {
			break
		}
		if err != nil {
			return nil, nil, nil, err
		}
		for _, u := range known {
			out[u] = true
		}
		release = append(release, let...)
	}
	leave := func(m *mail.Message) bool { return out[m.Origin.UID] }
	return slices.DeleteFunc(small, leave), slices.DeleteFunc(large, leave), release, nil
}

// headers asks about a window of messages. What cannot be had goes to out.
func (r *run) headers(ctx context.Context, some []*mail.Message, out map[mail.UID]bool) (known, let []mail.UID,
	err error) {
	if err := r.ahead(ctx, mail.Header, some); err != nil {
		return nil, nil, err
	}
	var here []*mail.Message
	for _, m := range some {
		r.n.At = m.Origin.UID
		if _, err := m.Content.Header(ctx); err == nil {
			here = append(here, m)
		} else if ended(ctx, err) {
			return nil, nil, err
		} else {
			r.fault(ctx, m, err)
			out[m.Origin.UID] = true
		}
	}
	r.n.At = ""
	known, let, err = r.Known(ctx, here)
	for _, m := range here {
		if slices.Contains(known, m.Origin.UID) {
			r.n.Known++
			r.n.Saved += max(m.Content.Size(), 0)
			mail.Forget(m) // of a folder that is numbered anew there may be a hundred thousand
		}
	}
	r.n.Progress = r.n.Progress || len(known) > 0
	return known, let, err
}
