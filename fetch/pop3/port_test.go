package pop3

import (
	"context"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
)

var port = fetchtest.Port{Protocol: "POP3", Other: "IMAP", Greets: "* OK [CAPABILITY IMAP4rev1] Dovecot ready.",
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
