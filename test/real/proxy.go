package real

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// StartSOCKS begins a SOCKS5 proxy (microsocks) that wants this login, and returns its port on 127.0.0.1.
func StartSOCKS(t TB, user, password string) int {
	t.Helper()
	port := Port(t)
	start(t, proxyDir(t), "microsocks", "-i", "127.0.0.1", "-p", strconv.Itoa(port), "-u", user, "-P", password)
	listening(t, port, "")
	return port
}

// StartHTTPProxy begins an HTTP proxy (tinyproxy) that wants this login and connects to these ports alone,
// and returns its port on 127.0.0.1.
func StartHTTPProxy(t TB, user, password string, ports ...int) int {
	t.Helper()
	port := Port(t)
	conf := fmt.Sprintf("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth %s %s\n", port, user, password)
	for _, p := range ports {
		conf += fmt.Sprintf("ConnectPort %d\n", p)
	}
	dir := proxyDir(t)
	write(t, filepath.Join(dir, "tinyproxy.conf"), conf, 0o600)
	start(t, dir, "tinyproxy", "-d", "-c", filepath.Join(dir, "tinyproxy.conf"))
	listening(t, port, "")
	return port
}

func proxyDir(t TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
