// Package control is how a person talks to the daemon: HTTP and JSON over a unix socket, for the CLI and
// for a web page.
//
// It promises that only root, the daemon's own user and members of the socket's group are answered (the
// kernel says who asks); that the socket is never reachable with other modes than 0660; that every answer
// is bounded in memory, however long the queue: lists are streams of JSON objects, one per line, and a
// stream that was cut is noticed, since it lacks its last line; that an error is an [Error] with a code, a
// text and a hint; and that no answer holds a secret, because nothing here ever has one: conf.Secret is not
// read, and access tokens stay in fetch/oauth.
//
// It leaves to store what a verb means, to fetch when a maildrop is visited, and to the verbs of
// cmd/mailretr how an answer looks. Texts of servers are given out as they came; whoever shows them passes
// them through mail.Printable.
//
// [Server] answers for a [House]; [Client] asks, over the socket ([Dial]) or, where no daemon runs, in the
// same process ([Local]), by the same code.
//
// Read first: [Server.Handler], then [stream].
package control
