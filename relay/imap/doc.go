// Package imap puts mail into a folder of an IMAP account, by APPEND (RFC 9051, 6.3.12).
//
// It promises that a message is Delivered only when the server has said OK to its last octet; that what the server
// was told is the message octet for octet, with its internal date and, where that was asked for, its flags; that a
// large message crosses the line only after the server has said that it wants it; and that a message whose answer
// was lost is looked for in the folder before it is sent again. A folder that is missing is made.
//
// All recipients of a message share its one copy: a folder has no envelope. Who wants one folder for each recipient
// has one destination for each. A folder's name that comes from another server is translated into what this one has
// between the parts of its names, and in front of them (RFC 2342): see [place.name].
//
// MULTIAPPEND (RFC 3502) is not used. A message costs one round trip where the server takes it unasked (RFC 7888): over a
// line of 50 ms 100 messages of 5 KB took 5.1 s on one connection, and four are used at once, 80 messages a second. Ten of
// them in one command would take a tenth, but stand or fall together: what a quota refuses of one is refused of all, and
// would be sent again one by one; and a cut would leave ten in doubt instead of one, each to be looked for at a round trip.
//
// It leaves the connection to relay/wire, the way in to relay/imapconn, the trace fields to relay, and the schedule
// to the queue. It speaks in lines, not through a library: three commands need no grammar, and the library reads a
// whole literal before it looks at a refusal.
//
// Read first: [Client.Deliver], then attempt.append.
package imap
