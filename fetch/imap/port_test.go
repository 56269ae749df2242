package imap

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
)

var port = fetchtest.Port{Protocol: "IMAP", Other: "POP3", Greets: "+OK Dovecot ready.",
	Open: func(ctx context.Context, plain bool, dial fetchtest.DialFunc) error {
		o := wire.Options{Address: "mail.example:99", DialContext: dial}
		if plain {
			o.TLS.Mode = wire.Plain
		}
		_, err := (&Retriever{Options: Options{
			User: "jaco", Password: func(context.Context) (string, error) { return "canary", nil }, Dial: o,
		}}).Open(ctx)
		return err
	}}

func TestH7_BannersOfOthers(t *testing.T) { port.Banners(t) }

func TestSilentPort(t *testing.T) { port.Silent(t) }

func TestUnreachableIsSaidOnce(t *testing.T) { port.Unreachable(t) }

// A server that sends elsewhere (RFC 2221) is not followed: who it names was not chosen by us.
func TestH7_ReferralsAreNotFollowed(t *testing.T) {
	dialled := 0
	for _, line := range []string{"* BYE [REFERRAL imap://127.0.0.1/] moved", "* OK [REFERRAL imap://127.0.0.1/] hello"} {
		dialled = 0
		_, err := (&Retriever{Options: Options{
			User: "jaco", Password: func(context.Context) (string, error) { return "canary", nil },
			Dial: wire.Options{Address: "mail.example:143", TLS: wire.TLS{Mode: wire.Plain},
				DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
					if dialled++; address != "mail.example:143" {
						t.Errorf("%s was dialled", address)
					}
					ours, theirs := net.Pipe()
					go func() {
						defer theirs.Close()
						io.WriteString(theirs, line+"\r\n")
						r := bufio.NewReader(theirs)
						for {
							s, err := r.ReadString('\n')
							if err != nil {
								return
							}
							tag, _, _ := strings.Cut(s, " ")
							io.WriteString(theirs, tag+" NO [REFERRAL imap://jaco@127.0.0.1/] moved\r\n")
						}
					}()
					return ours, nil
				}},
		}}).Open(t.Context())
		if err == nil || dialled != 1 {
			t.Errorf("%q: %v, dialled %d times", line, err, dialled)
		}
	}
}
