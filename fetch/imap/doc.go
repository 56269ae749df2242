// Package imap collects mail from the folders of an IMAP account (RFC 9051, RFC 3501), one session per
// [Retriever.Open].
//
// It promises that no credential leaves before TLS where TLS is required; that a body counts as whole only
// when every octet of its literal came and the server went on speaking sense behind it; that a message is
// matched by the UID the server gives with it and by nothing else; that nothing is marked as read unless that
// was asked for; that
// only messages which were settled or released are ever expunged, where the server has UIDPLUS (RFC 4315)
// by their UIDs, and elsewhere only if nobody else's mail would go with them; and that a hostile server
// costs bounded memory, time and octets.
//
// The line is kept full: while messages are read and committed, the next ones are on their way. What is
// asked for ahead is bounded by a window of octets that grows only when the line ran dry, because all of it
// is paid for even if the session breaks. Small messages wait in memory, a large one waits on the line
// until it is read.
//
// An empty visit is cheap: the state of each folder (STATUS) leaves together with the login, and no folder
// is opened or listed whose UIDNEXT is what it was. Where the last visit found mail, the newest messages are
// asked about together with the login too. A body that was cut is gone on with at its octet (BODY.PEEK[]<n.m>).
// What is fetched comes compressed where the server offers that and enough is to be fetched (RFC 4978).
//
// Which folders are meant is said by names, patterns and special uses (RFC 6154); LIST is asked past the
// library, which dies of one name that is not well-formed. What was collected is deleted, moved (RFC 6851, or
// COPY, which a crash does not repeat) or marked when the session ends.
//
// OBJECTID (RFC 8474) is not asked for, because it would not pay. An EMAILID could tell after a change of
// UIDVALIDITY what was collected before, where headers do now, some 2 KB a message that is kept; but it would
// have to be known by then, which is 40 octets more for each message that is collected, in case its folder is
// numbered anew while it lies there: that would have to happen to one message in fifty.
//
// It leaves to the caller which messages to fetch and when, to relay/wire the connection, its deadlines and
// its security, to relay/imapconn the way in, and to emersion/go-imap the grammar. UIDs are those
// of RFC 9051, 2.3.1.1, with the folder and its UIDVALIDITY in front: "INBOX/1714/88".
//
// Read first: [Retriever.Open], session.Glance and session.List, then session.Ahead and session.body, the two
// ends of the pipeline; session.names for folders, session.letGo for what happens afterwards.
package imap
