package demo

import (
	"fmt"
	"net"
	"sync/atomic"
)

// A line is what lies between a maildrop and us. It counts at the far end, so that no figure has to be
// believed of the code that is being shown.
type line struct {
	net.Listener
	up, down atomic.Int64 // octets: commands and replies, all of it
	sessions atomic.Int64
}

func newLine() (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the demo needs a port on loopback: %w", err)
	}
	return &line{Listener: l}, nil
}

func (l *line) port() int { return l.Addr().(*net.TCPAddr).Port }

func (l *line) total() int64 { return l.up.Load() + l.down.Load() }

// Accept counts a session.
func (l *line) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.sessions.Add(1)
	return &counted{c, l}, nil
}

type counted struct {
	net.Conn
	line *line
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.line.up.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.line.down.Add(int64(n))
	return n, err
}
