package web

import (
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
)

// An admin reads that the configuration which was written last is not in use, and why; an owner does not.
func TestRefusedConfiguration(t *testing.T) {
	var refused *control.Refusal
	w := newWorld(t, func(h *control.House) { h.Refused = func() *control.Refusal { return refused } })
	if _, text := w.as("gert").get("/admin"); strings.Contains(text, `id="refused"`) {
		t.Errorf("nothing was refused: %s", text)
	}
	refused = &control.Refusal{At: w.now().Add(-time.Minute), Why: "/etc/m.yaml:2:1  error    unknown key " + evil}
	_, text := w.as("gert").get("/admin")
	for _, want := range []string{`id="refused"`, "the old one goes on", "/etc/m.yaml:2:1", "unknown key &lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if _, text := w.as("jaco").get("/"); strings.Contains(text, "m.yaml") {
		t.Error(text)
	}
}
