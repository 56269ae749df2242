// Package status knows how each maildrop and each lane is, in words that its owner understands.
//
// It promises that what it says was folded from events and from nothing else, that [Folder.Observe] never
// waits for a disk or a network, that a restart forgets at most what happened since the last save, and
// that no text of a server reaches a reader unescaped. It leaves to whom it serves (the CLI, the web page,
// an SQL table) how that looks, and to [Store] where it is kept.
//
// Read first: [Status], then [Fold].
package status
