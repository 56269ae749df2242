package control

import (
	"context"
	"net/http"
	"net/url"

	"mailretr/conf/source"
)

// acceptSource answers with how the source is then.
func acceptSource(h *House, out *stream, r *http.Request) error {
	if h.AcceptSource == nil {
		return newError(Unavailable, "no source can be asked here", "")
	}
	s, err := h.AcceptSource(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return out.item(s, false)
}

// AcceptSource takes what a source says now as its last good set, however few rows that are.
func (c *Client) AcceptSource(ctx context.Context, name string) (source.State, error) {
	return one[source.State](ctx, c, "/v1/source/"+url.PathEscape(name)+"/accept", struct{}{})
}
