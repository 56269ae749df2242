package real

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Line stands between a client and a server: it counts octets, delays them, and cuts.
type Line struct {
	Port     int
	Up, Down atomic.Int64 // octets towards the server, and back

	starts []int64 // octets when each connection began; guarded by mu

	delay time.Duration // one way
	cut   atomic.Int64  // octets down until the connection is cut; 0: never
	gate  sync.RWMutex  // held while connections have to wait
	rate  atomic.Int64  // octets per second of a connection, each way; 0: as fast as it goes
	watch atomic.Pointer[func(up bool, octets []byte)]
	to    string
	l     net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// StartLine begins one to a port of 127.0.0.1; roundTrip is what the line adds to each.
func StartLine(t TB, port int, roundTrip time.Duration) *Line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	x := &Line{Port: l.Addr().(*net.TCPAddr).Port, delay: roundTrip / 2, l: l,
		to: fmt.Sprintf("127.0.0.1:%d", port), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); x.CutNow() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go x.serve(c)
		}
	}()
	return x
}

// CutAfter cuts each connection that has carried this many octets down from now on; 0: never.
func (x *Line) CutAfter(n int64) { x.cut.Store(n) }

// Limit gives each connection from now on this many octets per second, each way; 0: as many as it takes.
func (x *Line) Limit(perSecond int64) { x.rate.Store(perSecond) }

// Hold makes connections wait until what it returns is called.
func (x *Line) Hold() (release func()) {
	x.gate.Lock()
	return x.gate.Unlock
}

// Watch has f called with whatever leaves a client (up) or reaches it, at that moment. f must not keep the octets.
func (x *Line) Watch(f func(up bool, octets []byte)) { x.watch.Store(&f) }

// Sessions returns how many connections there were.
func (x *Line) Sessions() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.starts)
}

// Open returns how many connections are open.
func (x *Line) Open() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.conns) / 2
}

// Idle says whether none is.
func (x *Line) Idle() bool { return x.Open() == 0 }

// CutNow cuts all connections.
func (x *Line) CutNow() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for c := range x.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

// Octets returns what has crossed in both directions.
func (x *Line) Octets() int64 { return x.Up.Load() + x.Down.Load() }

// OfSessions returns what the first n connections have carried; ok is false as long as there is no later one.
func (x *Line) OfSessions(n int) (octets int64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.starts) <= n {
		return 0, false
	}
	return x.starts[n], true
}

func (x *Line) serve(client net.Conn) {
	x.gate.RLock()
	release := x.gate.RUnlock // others may hold it too, and nobody for longer than this
	release()
	server, err := net.Dial("tcp", x.to)
	if err != nil {
		client.Close()
		return
	}
	x.mu.Lock()
	x.conns[client], x.conns[server] = true, true
	x.starts = append(x.starts, x.Octets())
	x.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { x.carry(server, client, &x.Up, nil) })
	both.Go(func() { x.carry(client, server, &x.Down, &x.cut) })
	both.Wait()
	x.mu.Lock()
	delete(x.conns, client)
	delete(x.conns, server)
	x.mu.Unlock()
	client.Close()
	server.Close()
}

// A piece is what was read at once, and when it may be written.
type piece struct {
	octets []byte
	at     time.Time
}

// pieces reads until the connection ends; up says which way.
func (x *Line) pieces(from net.Conn, up bool, size, room int) <-chan piece {
	all := make(chan piece, room)
	go func() {
		defer close(all)
		for {
			b := make([]byte, size)
			n, err := from.Read(b)
			if n > 0 && up {
				x.seen(true, b[:n])
			}
			if n > 0 {
				all <- piece{b[:n], time.Now().Add(x.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	return all
}

// carry copies with delay: what was read is written when its time has come, while more is being read.
func (x *Line) carry(to, from net.Conn, count *atomic.Int64, cut *atomic.Int64) {
	rate := x.rate.Load()
	size, room := 32<<10, 4096
	if rate > 0 { // a slow line holds little
		size, room = 4<<10, 16
	}
	up := cut == nil
	pieces := x.pieces(from, up, size, room)
	var carried int64
	var free time.Time // when the line has carried what it was given
	for p := range pieces {
		if x.delay > 0 {
			time.Sleep(time.Until(p.at)) // the delay is what this line is for
		}
		if rate > 0 {
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(len(p.octets)) * time.Second / time.Duration(rate))
			time.Sleep(time.Until(free))
		}
		if cut != nil {
			if limit := cut.Load(); limit > 0 && carried+int64(len(p.octets)) >= limit {
				part := p.octets[:max(limit-carried, 0)]
				count.Add(int64(len(part)))
				to.Write(part)
				from.Close()
				to.Close()
				for range pieces {
				}
				return
			}
		}
		carried += int64(len(p.octets))
		count.Add(int64(len(p.octets)))
		if !up {
			x.seen(false, p.octets)
		}
		if _, err := to.Write(p.octets); err != nil {
			from.Close()
			for range pieces {
			}
			return
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

func (x *Line) seen(up bool, octets []byte) {
	if f := x.watch.Load(); f != nil {
		(*f)(up, octets)
	}
}
