package wire

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// Connections share what a CA file holds, and believe a new one at once.
func TestRootsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	put := func(a *authority) TLS {
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return TLS{CAFile: path}
	}
	one, two := newAuthority(t), newAuthority(t)
	first, err := put(one).roots()
	if err != nil || !first.Equal(one.pool) {
		t.Fatal(err)
	}
	if again, err := put(one).roots(); err != nil || again != first {
		t.Error("not shared", err)
	}
	if other, err := put(two).roots(); err != nil || !other.Equal(two.pool) {
		t.Error("an old authority is believed", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := (TLS{CAFile: path}).roots(); err == nil {
		t.Error("a file that is gone is believed")
	}
}
