// Package samples holds run control files of fetchmail, for the tests of whatever reads them: some in the forms that
// manuals and guides show, and many made of every option of the manual.
//
// Read [All] first.
package samples

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// made is how many are made of options.
const made = 180

// All returns the samples, the same ones each time. fetchmail 6.4 understands each.
func All() []string {
	all := append([]string(nil), written...)
	for i := range made {
		all = append(all, generated(i))
	}
	return all
}

// Options returns a form of each option of the manual: those of servers, of users, and those behind set.
func Options() (server, user, set []string) { return ofServer, ofUser, ofSet }

var ofSet = []string{
	`set daemon 300`, `set postmaster "postmaster"`, `set bouncemail`, `set no bouncemail`, `set spambounce`,
	`set no spambounce`, `set softbounce`, `set no softbounce`, `set logfile /var/log/fetchmail.log`,
	`set logfile = "/tmp/log"`, `set idfile "/var/lib/fetchmail/.fetchmail-UIDL-cache"`, `set pidfile /run/fetchmail.pid`,
	`set syslog`, `set no syslog`, `set invisible`, `set no invisible`, `set showdots`, `set no showdots`,
	`set properties "anything"`, `set nobouncemail`, `set daemon 60`,
}

var ofServer = []string{
	`via mail.isp.example`, `via 192.0.2.25`, `proto pop3`, `protocol IMAP`, `proto apop`, `proto AUTO`, `proto POP3`,
	`proto imap`, `local example.com`, `localdomains example.com example.net`, `port 110`, `port 10143`, `service "pop3"`,
	`service 995`, `auth any`, `auth password`, `auth cram-md5`, `auth ntlm`, `auth gssapi`, `auth kerberos_v5`,
	`auth external`, `auth otp`, `auth msn`, `authenticate ssh`, `preauth password`, `timeout 60`,
	`envelope "X-Envelope-To"`, `envelope 1 "Delivered-To:"`, `envelope Received`, `no envelope`, `noenvelope`,
	`qvirtual "isp-user-"`, `aka mx.isp.example`, `aka mx1.isp.example mx2.isp.example`, `interface "eth0/10.0.0.5"`,
	`interface "sl0/10.0.2.15/255.255.255.0"`, `monitor "ppp0"`, `plugin "ssh %h /usr/sbin/imapd"`,
	`plugin "socat STDIO TCP:%h:%p"`, `plugout "nc %h %p"`, `dns`, `no dns`, `nodns`, `checkalias`, `no checkalias`,
	`nocheckalias`, `uidl`, `no uidl`, `nouidl`, `interval 3`, `tracepolls`, `no tracepolls`, `principal "host/x"`,
	`esmtpname "relay"`, `esmtpname "relay" esmtppassword "secret"`, `bad-header accept`, `bad-header reject`,
}

var ofUser = []string{
	`pass "secret"`, `password 'sec\x72et'`, `password sec\114et`, `with password 12345`, `ssl`, `no ssl`,
	`sslcert "/etc/ssl/c.pem"`, `sslcert /etc/ssl/c.pem sslkey /etc/ssl/k.pem`, `sslkey /etc/ssl/k.pem`, `sslcertck`,
	`no sslcertck`, `sslcertfile /etc/ssl/ca.pem`, `sslcertpath "/etc/ssl/certs"`, `sslcommonname "mail.isp.example"`,
	`sslfingerprint "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"`, `sslproto "TLS1"`, `sslproto ''`, `sslproto 'auto'`,
	`sslproto 'TLS1.2+'`, `folder INBOX`, `folders "INBOX" "Lists"`, `folder INBOX,Spam,"Old mail"`, `smtphost localhost`,
	`smtp mail.example.org`, `smtphost "front/2525", back`, `smtphost /var/run/lmtp lmtp`, `smtphost dove/24 lmtp`,
	`fetchdomains example.org`, `smtpaddress example.org`, `smtpname "jaco@example.org"`, `antispam 571, 550, 501`,
	`antispam -1`, `antispam 554`, `mda "/usr/bin/procmail -d %T"`, `mda "/usr/sbin/sendmail -i -f %F -- %T"`,
	`mda '/usr/bin/maildrop -d "%T" 2>/dev/null'`, `bsmtp "/tmp/batch"`, `lmtp smtphost front/24`,
	`preconnect "ssh -f isp.example sleep 20"`, `pre "true"`, `postconnect "sync"`, `post "true"`, `keep`, `nokeep`, `no keep`,
	`flush`, `no flush`, `noflush`, `limitflush`, `nolimitflush`, `fetchall`, `no fetchall`, `nofetchall`, `rewrite`,
	`no rewrite`, `norewrite`, `stripcr`, `no stripcr`, `forcecr`, `noforcecr`, `pass8bits`, `nopass8`, `no pass8bits`,
	`dropstatus`, `nodropstatus`, `dropdelivered`, `nodropdelivered`, `mimedecode`, `mimedec`, `nomimedec`, `idle`, `no idle`,
	`noidle`, `limit 50000`, `limit 0`, `warnings 86400`, `batchlimit 10`, `fetchlimit 50`, `fetchsizelimit 10`, `fastuidl 5`,
	`expunge 10`, `properties "anything"`, `is jaco here`, `to jaco`, `is jaco`, `is jaco anna here`, `is * here`,
	`is "office"="jaco" anna here`, `is jaco=info * here`, `is 'jaco@example.org' here`, `is jaco to anna here`,
}

// generated makes one of options: number i shows option i of each list, others are chosen by chance.
func generated(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	var b strings.Builder
	fmt.Fprintf(&b, "# sample %d\n%s\n", i, ofSet[i%len(ofSet)])
	if i%5 == 0 {
		fmt.Fprintf(&b, "defaults\n\t%s\n\tuser %s %s\n", pick(r, ofServer), "common", pick(r, ofUser))
	}
	for n := range 1 + r.IntN(2) {
		verb := "poll"
		if r.IntN(8) == 0 {
			verb = "skip"
		}
		fmt.Fprintf(&b, "%s host%d.isp.example with", verb, n)
		if r.IntN(4) > 0 {
			b.WriteString(" proto " + []string{"pop3", "imap"}[r.IntN(2)])
		}
		if n == 0 {
			b.WriteString(" " + ofServer[i%len(ofServer)])
		}
		for range r.IntN(3) {
			b.WriteString(", " + pick(r, ofServer))
		}
		for u := range 1 + r.IntN(2) {
			fmt.Fprintf(&b, "\n\tuser \"u%d\\x40isp.example\" there", u)
			if r.IntN(3) > 0 {
				b.WriteString(" with password \"pw\" and is jaco here")
			}
			if n == 0 && u == 0 {
				b.WriteString(" wants " + ofUser[i%len(ofUser)])
			}
			b.WriteString(" options")
			for range r.IntN(5) {
				b.WriteString(" " + pick(r, ofUser))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }
