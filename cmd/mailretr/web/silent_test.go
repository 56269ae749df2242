package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
)

// A hall is a listener in memory.
type hall struct {
	comers chan net.Conn
	closed chan struct{}
}

func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.comers:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *hall) Close() error {
	close(h.closed)
	return nil
}

func (h *hall) Addr() net.Addr { return &net.UnixAddr{Name: "hall", Net: "unix"} }

// A page that is open holds on to no connection between two looks: there are not as many as owners.
func TestSilentConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := conf.Default()
		s := &Server{House: control.House{Config: func() *conf.Config { return &c }}}
		h := &hall{make(chan net.Conn), make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Serve(ctx, h, nil) }()
		here, there := net.Pipe()
		h.comers <- there
		go io.WriteString(here, "GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
		in := bufio.NewReader(here)
		r, err := http.ReadResponse(in, nil)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(r, err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := in.ReadByte(); err != io.EOF || time.Since(began) >= lookAgain {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
