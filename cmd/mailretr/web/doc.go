// Package web is what people see of the daemon in a browser: an owner how his maildrops are, an admin how everything is.
//
// It promises that an owner sees and touches what is his and nothing else: another's maildrop is not there (404); that all
// text of servers, databases and mail is text on the page, whatever it looks like, and bounded; that nothing is changed by
// a link, by another site, or twice by a reload of the page; that a session cannot be chosen by somebody else, ends, also
// when who began it would no longer come in, as far as that can be asked, and is known by a hash of its secret alone; that
// guessing passwords is slow, for one client and for one user, and keeps nobody out where he has signed in before; and that
// all works without JavaScript, which only keeps a page fresh (live.go).
//
// It shows what [control.House] offers and changes things by [control.Client] alone, as the command line does. It leaves to
// package signin who somebody is, and to cmd/mailretr where it listens.
//
// RFC 6265 (cookies), 9110 (HTTP); the pages follow WCAG 2.2, AA. All words are in text/en.txt.
//
// Read first: [Server.Handler], then visit.go.
package web
