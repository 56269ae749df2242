package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"mailretr/test/real"
)

// Whether BDAT (RFC 3030) is worth sending: the same messages over one bare connection, with MAIL, RCPT and DATA in one
// segment, as relay/smtp sends them, and with the message itself in that segment behind BDAT.

func (b *bench) chunking(exim bool) chart {
	defer b.end()
	c := chart{unit: "messages a second, 5 KB each"}
	port := 0
	if exim {
		port = real.StartExim(b, real.Rules{Main: "queue_only = true\nsmtp_accept_queue_per_connection = 0\n"}).Port
	} else {
		port = real.StartPostfix(b, "virtual_mailbox_domains =\ndefault_transport = discard:\n"+
			"smtpd_relay_restrictions = permit_mynetworks,reject").Port
	}
	const n, big = 300, 100 << 20
	for _, bdat := range []bool{false, true} {
		name := map[bool]string{false: "DATA", true: "BDAT"}[bdat]
		small, err := bareSend(port, bdat, n, message(0, 5000))
		if err != nil {
			b.Fatalf("%v", err)
		}
		large, err := bareSend(port, bdat, 1, message(0, big))
		if err != nil {
			b.Fatalf("%v", err)
		}
		c.add(name, n/small.Seconds())
		c.note("100 MB by %s: %.2f s", name, large.Seconds())
	}
	return c
}

// bareSend sends n times the same message; it has no line that begins with a dot.
func bareSend(port int, bdat bool, n int, octets []byte) (time.Duration, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	r := bufio.NewReader(c)
	if err := replies(r, "220"); err != nil {
		return 0, err
	}
	fmt.Fprint(c, "EHLO bench.example\r\n")
	if err := replies(r, "250"); err != nil {
		return 0, err
	}
	began := time.Now()
	for range n {
		envelope := "MAIL FROM:<sender@example.org>\r\nRCPT TO:<jaco@kroon.co.za>\r\n"
		if bdat {
			segment := net.Buffers{fmt.Appendf(nil, "%sBDAT %d LAST\r\n", envelope, len(octets)), octets}
			if _, err = segment.WriteTo(c); err == nil {
				err = replies(r, "250", "250", "250")
			}
		} else {
			fmt.Fprint(c, envelope+"DATA\r\n")
			if err = replies(r, "250", "250", "354"); err != nil {
				return 0, err
			}
			segment := net.Buffers{octets, []byte(".\r\n")}
			if _, err = segment.WriteTo(c); err == nil {
				err = replies(r, "250")
			}
		}
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// replies reads one reply for each code.
func replies(r *bufio.Reader, codes ...string) error {
	for _, code := range codes {
		for {
			l, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			if !strings.HasPrefix(l, code) {
				return fmt.Errorf("the server said %q", l)
			}
			if l[3] == ' ' {
				break
			}
		}
	}
	return nil
}
