// Package fetchtest is the contract of a retriever, as tests: [Run] puts messages into something that mail
// can be collected from, makes the line to it bad, and watches that the promises of store/mail hold. POP3,
// IMAP and the queue pass the same suite.
//
// It also has what such tests need: [Line], a network that cuts, hangs and trickles on order; [Pipe], a
// buffered connection inside the process that works under testing/synctest; [CA], certificates; and [POP3],
// a scripted server that misbehaves at each verb. Nothing here sleeps, and nothing leaves the process
// unless [POP3.Listen] is asked.
//
// Read first: [Harness], then [Run].
package fetchtest
