// Package mail is the vocabulary: the words every other package speaks, and the contracts between them.
//
// It imports nothing of ours and does no I/O. A word that two packages need and may not import from each
// other stands here; anything with a policy in it does not.
//
// Read in this order: [Message] (what moves), [Report] (what became of it), [Deliverer] and [Retriever]
// (who moves it), [Trouble] (why it did not), [Event] (what is told about it).
//
// The words are those of RFC 5321 (envelope, reverse-path, forward-path), RFC 5598 (MTA, next hop), RFC 3463
// (enhanced status code), RFC 3464 (DSN), RFC 1939 (maildrop, unique-id) and RFC 9051 (UID, UIDVALIDITY).
package mail
