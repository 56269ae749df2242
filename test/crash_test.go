//go:build interop

package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"mailretr/test/real"
)

// number reads a setting of the soak from the environment.
func number(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return fallback
}

// TestCrash kills the daemon with SIGKILL at random moments while 2,000 messages of mixed size flow from Dovecot to a
// recording MTA. Every message arrives, byte for byte; duplicates are at most one per SMTP connection and kill.
// MAILRETR_KILLS sets the number of kills (test/soak: 200).
func TestCrash(t *testing.T) {
	kills := number("MAILRETR_KILLS", 10)
	const connections = 4
	for _, protocol := range []string{"pop3", "imap"} {
		t.Run(protocol, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 3))
			d, l := real.StartDovecot(t), newLedger(t)
			sink := real.StartSink(t, false, l.take)
			port := map[string]int{"pop3": d.POP3, "imap": d.IMAP}[protocol]
			conf := fmt.Sprintf("deliver: {smtp: \"127.0.0.1:%d\", connections: %d}\n", sink.Port, connections) +
				"bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}\n" +
				"queue: {retry: [1s]}\npoll: 1s\nmaildrops:\n"
			const users = 4
			total := number("MAILRETR_MESSAGES", 2000)
			for u := range users {
				name := fmt.Sprintf("u%d", u)
				d.User(name)
				conf += fmt.Sprintf("  - {name: %[1]s, url: \"%[2]s://%[1]s@localhost:%[3]d\", tls: none, password: {file: @DIR@/pass}, "+
					"to: %[1]s@kroon.co.za, after: delete}\n", name, protocol, port)
			}
			p := newProgram(t, conf)
			for kill := range kills {
				for u := range users { // a share of the mail before each life
					share := total / users / kills
					if kill == kills-1 {
						share = total/users - share*(kills-1)
					}
					l.fillMore(d, fmt.Sprintf("u%d", u), share, seed+uint64(kill*users+u))
				}
				p.serve()
				time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond) // the random moment
				p.kill()
			}
			p.serve()
			eventually(t, 3*time.Minute, "all messages at the MTA", func() bool { return l.missing() == 0 })
			eventually(t, time.Minute, "empty maildrops", func() bool {
				n := 0
				for u := range users {
					n += d.Count(fmt.Sprintf("u%d", u))
				}
				return n == 0
			})
			if err := p.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			l.judge(kills * connections)
		})
	}
}
