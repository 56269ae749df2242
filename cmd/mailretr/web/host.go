package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"mailretr/conf"
)

// errHost is for who comes under a name that is not ours.
var errHost = &fault{http.StatusMisdirectedRequest, "error.host"}

// misled says whether a browser of this machine was brought here by the name of another site, which its owner has made mean
// this machine (DNS rebinding). To the browser all this is then that other site: its scripts may read it, and no header says
// that they are strangers. With TLS the certificate prevents it, and a server in front knows the names that it serves.
func (v *visit) misled() bool {
	if v.Secure || v.front() {
		return false
	}
	host := v.r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	_, err := netip.ParseAddr(host)
	return err != nil && !conf.Loopback(host) && !strings.EqualFold(host, v.conf.Hostname)
}
