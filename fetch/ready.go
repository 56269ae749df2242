package fetch

import "context"

// ready says whether what is fetched could be queued.
func (s *session) ready(ctx context.Context) error {
	if s.drop.Ready == nil {
		return nil
	}
	return local(s.drop.Ready(ctx))
}
