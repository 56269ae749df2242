// Package serving ends an HTTP server with a context.
//
// It promises that answers which are under way when the context ends have some time left, and that nothing of the server
// is left when [Until] returns. It leaves limits and handlers to the server it is given.
package serving

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Until answers on l until ctx ends, by TLS where h has a TLSConfig, and closes l. Answers that are under way then have
// grace to come to an end; who waits for something in them is told by h.RegisterOnShutdown. nil: ctx has ended it.
func Until(ctx context.Context, h *http.Server, l net.Listener, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		if h.TLSConfig == nil {
			ended <- h.Serve(l)
			return
		}
		ended <- h.ServeTLS(l, "", "")
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if h.Shutdown(wait) != nil {
		h.Close()
	}
	<-ended // ErrServerClosed
	return nil
}
