package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"mailretr/store/mail"
)

// A code that nobody enters, or that the owner declines, is told in these words, whoever of the provider and us notices first.
func TestDeviceEnds(t *testing.T) {
	for code, want := range map[string]string{
		"authorization_pending": "nobody entered the code in time", "slow_down": "nobody entered the code in time",
		"expired_token": "nobody entered the code in time",
		"access_denied": "the owner did not consent", "authorization_declined": "the owner did not consent",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
				rw.Header().Set("Content-Type", "application/json")
				if r.FormValue("device_code") == "" {
					fmt.Fprintf(rw, `{"device_code":"d","user_code":"U","verification_uri":"%s/device","expires_in":2,"interval":1}`, w.URL)
					return true
				}
				rw.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(rw, `{"error":"%s"}`, code)
				return true
			})
			err := w.account().Device(t.Context(), func(Prompt) error { return nil })
			kind(t, code, err, mail.Auth)
			if x := (*mail.Trouble)(nil); !errors.As(err, &x) || x.Err == nil || x.Err.Error() != want {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}
