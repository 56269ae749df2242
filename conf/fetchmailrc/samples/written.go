package samples

// written are in the forms that manuals and guides show.
var written = []string{
	`poll pop.provider.example with proto POP3
user 'address@isp.example' there with password 'PASSWORD' is 'USER' here options fetchall
`,
	`poll pop.provider.example with proto POP3 uidl no dns user 'x' password 'y' is local here options keep ssl sslcertck sslcertpath /etc/ssl/certs
mda "/usr/bin/procmail -d %T"
`,
	`set daemon 300
defaults interface "sl0/10.0.2.15" user a is a b c here fetchall
skip localhost protocol pop2: password my_local_password;
`,
	`poll imap.isp.example proto imap port 993 user "u\x40d" password "\x70\x77" is "u@d" smtphost front/2525 lmtp folders "INBOX","Spam" options antispam 501, 504, 550 ssl keep
`,
	`poll isp.example localdomains example.com example.net: envelope 1 "Delivered-To": proto pop3 user catchall is * here
`,
	`poll provider.example protocol pop3 username "esr" password "opensesame"
`,
	`poll provider.example proto pop3
    user "jsmith", with password "secret1", is "smith" here,
    user jones, with password "secret2", is "jjones" here keep;
`,
	`poll mailhost.example proto imap:
    user "jsmith" is smith here, password "secret"
    folders "INBOX", "Lists/go"
`,
	`poll pop.provider.example:
    localdomains example.org
    no envelope no dns
    aka mail.provider.example
    user maildrop pass "secret" to jaco 'bill'='william' * here
`,
	`defaults proto pop3 auth password
poll a.isp.example user u1 pass p1 is jaco here
poll b.isp.example user u2 pass p2 is anna here # the second
`,
	`set syslog
set postmaster root
poll "pop.isp.example" proto pop3 service 995 interval 2 timeout 90
  user "first.last" there password "pa ss\x22" is first here options ssl nokeep
`,
	`server isp.example proto pop3 username x password y
`,
	`poll first via localhost port 10110 proto pop3 user a pass b is c here preconnect "ssh -f -L 10110:pop.isp.example:110 isp.example sleep 20 </dev/null >/dev/null"
poll second via localhost port 10143 proto imap user a pass b is c here
`,
	`poll imap.isp.example proto imap plugin "ssh %h /usr/sbin/imapd" auth ssh
	user jaco is jaco here
`,
	`poll isp.example proto pop3 user 'is' there pass 'keep' is 'here' here
poll isp2.example proto pop3 user is pass keep is poll here
`,
	`poll a.example proto etrn: user x, is x here fetchdomains example.org
`,
	`poll a.example proto odmr user x pass y is x here fetchdomains example.org
`,
	`poll a.example proto kpop user x pass y is x here
`,
	`poll a.example proto sdps user x pass y is x here
`,
	"poll a.example proto pop3 user x pass \"two\\\nlines\" is x here\n",
	"poll a.example proto pop3 \\\n user x \\\n pass y \\\n is x here\n",
	`poll a.example proto pop3 pass y
`,
	`poll a.example proto imap user x here is y there pass z folder "Sent Items" "B\xfcro"
`,
	`defaults local example.com user x is x here folder A,B smtphost one fetchdomains a.example antispam 571
poll a.example proto imap localdomains example.net user y is y here folder C,D smtphost two,three fetchdomains b antispam 550
poll b.example proto imap user z folder E
poll c.example proto imap
`,
	`# nothing but a comment
`,
	`poll pop.isp.example has proto pop3
	user jaco there has password "secret" and wants keep, options no mimedecode is jaco here
`,
}
