package conf

import (
	"strings"
	"testing"
)

// Each mistake in a webhook is told, and none tells the token in its path.
func TestWebhook(t *testing.T) {
	secret := SecretFile("/etc/mailretr/s")
	for _, x := range []struct {
		w              Webhook
		errs, warnings int
	}{
		{Webhook{URL: "https://hooks.example.org/t0ken", Secret: secret}, 0, 0},
		{Webhook{URL: "https://127.0.0.1:8443/t0ken", Secret: secret, Inside: true, CA: "/ca.pem"}, 0, 0},
		{Webhook{URL: "http://localhost/t0ken", Secret: secret, Inside: true}, 0, 0},
		{Webhook{URL: "http://hooks.example.org/t0ken", Secret: secret}, 0, 1},
		{Webhook{Secret: secret}, 1, 0},
		{Webhook{URL: "ftp://hooks.example.org/t0ken", Secret: secret}, 1, 0},
		{Webhook{URL: "https:///t0ken", Secret: secret}, 1, 0},
		{Webhook{URL: "https://hooks.example.org:port/t0ken", Secret: secret}, 1, 0},
		{Webhook{URL: "https://u:t0ken@hooks.example.org/", Secret: secret}, 1, 0},
		{Webhook{URL: "https://localhost/t0ken", Secret: secret}, 1, 0},
		{Webhook{URL: "https://hooks.example.org/t0ken"}, 1, 0},
		{Webhook{URL: "https://hooks.example.org/t0ken", Secret: secret, CA: "ca.pem"}, 1, 0},
	} {
		v := &validator{c: &Config{}}
		v.webhook(&x.w)
		errs := 0
		for _, p := range v.problems {
			if p.Severity == Error {
				errs++
			}
			if strings.Contains(p.String(), "t0ken") {
				t.Errorf("%s tells the token", p)
			}
		}
		if errs != x.errs || len(v.problems)-errs != x.warnings {
			t.Errorf("%s: %v", x.w.URL, v.problems)
		}
	}
}
