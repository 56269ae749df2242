package control

import (
	"context"
	"net"
	"net/http"
	"os"
	"slices"
)

// A peer is who asks, as the kernel says it.
type peer struct {
	uid    uint32
	groups []uint32
	err    error
}

type peerKey struct{}

// withPeer is http.Server.ConnContext.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOf(c))
}

// allowed says whether the peer may ask: root, our own user, and the socket's group.
func (p peer) allowed(own, gid uint32) bool {
	return p.err == nil && (p.uid == 0 || p.uid == own || slices.Contains(p.groups, gid))
}

// guard refuses who may not ask. Without a socket, in the same process, there is nobody to refuse.
func guard(gid uint32, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(peer)
		if !p.allowed(uint32(os.Geteuid()), gid) {
			fail(w, newError(Denied, "you are neither root nor in the group of the control socket",
				"ask your administrator to add you to it"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
