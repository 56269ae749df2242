// Package store is the queue: where mail waits between the maildrop that has let go of it and the next hop
// that has not yet taken it.
//
// It promises that a message which it has reported as Delivered is kept, octet for octet, until for each of
// its recipients somebody else has taken responsibility, a report was queued, or an admin has said that
// nobody need be told. It leaves to its Engine (store/badger) how a commit becomes durable, to its Reporter
// (package bounce) what a report says and who must not get one, to relay how a lane is attempted, and to
// fetch when a maildrop is visited.
//
// Read first: the table below, then [Queue], batch.go (how mail comes in), lane.go and judge.go (how it
// goes out), fail.go (who is told of what failed), choose.go (what is not collected twice). RFC 5321, 3461,
// 3463.
//
// # Who is responsible for a message
//
// A message is in exactly one place that is responsible for it. "Record" stands for the record and its due
// time.
//
//	     body   record       mark   meaning, and what a crash leaves
//	S0   -      -            -      not ours: the maildrop or the SMTP client is responsible
//	S1   some   -            -      being staged (Batch.Add). A crash leaves a file that no record names; the
//	                                engine removes it, keeps it where a partial note names it, or adopts
//	                                it where it was sealed: better twice than lost
//	S2   all    yes          yes    body synced, then committed (Batch.Commit). Only now may the maildrop be
//	                                told to delete, or a client be given its 250
//	S3   all    yes, leased  yes    being attempted (Messages of a lane). The due time is not touched, so
//	                                after a crash it is due at once
//	S4   all    yes          yes    part done (Settle): recipients that were served are gone, recipients that
//	                                failed are gone in the commit that queued their report, or are Owed one:
//	                                never attempted again, only reported
//	S5   yes    -            yes    done: the commit that removed the record is the end of it; the engine
//	                                removes the file
//	S6   lost   yes, held    yes    the file is missing or damaged: told to the postmaster at once where the
//	                                Reporter is a [Mourner], held, never attempted
//
// Each way between two states is one [Engine.Commit], and nothing is done outside before it has returned:
//
//	S0 to S2   all records of a batch and one mark per message. Refused as a whole where a UID is marked
//	           already; those messages are left out, and the others committed again. What was left out counts
//	           as taken only after a commit that began later has returned, because a mark that can be read
//	           need not be durable yet
//	S0 to S5   [Queue.Refuse]: the report and the mark, for a message whose body never crosses the line
//	S3 to S3   a report that changed nothing but due time, attempts and last replies; or, for a lane that is
//	           away, the last reply only
//	S3 to S4   the record with fewer recipients, and the records of the reports
//	S3 to S5   the end of the record, and the records of the reports
//
// A commit whose fate is unknown is asked for again with the same batch, so that it is made once.
//
// # What is durable when
//
// Deliver and Commit return Delivered only when the body and the commit with the record are synced. Settle
// returns nil only when what the next hop said is. A commit that has begun is not cancelled by a context
// that ends. Changes of an existing record are fenced by its lease, those of people too; a lease that was
// lost shows in an event, not in a second delivery by the same session.
//
// # Where what is kept
//
// Records, marks and notes are values of the engine, which chooses the keys (store/badger/doc.go). The
// notes of the queue:
//
//	space      owner     key         value
//	aside      account   UID         [Aside]: a message left upstream for a reason; 10,000 of an account at the most,
//	                                 with 4 MiB of headers (pile.go)
//	account    account   "contact"   first contact, last complete listing, what an admin decided
//	maildrop   name      "account"   the account that a maildrop of this name had last
//	partial    account   UID         [Partial]: the beginning of a body whose rest is upstream, kept once a
//	                                 second and when the line is cut, so that it is gone on with
//	missing    account   day/part    marks that complete listings have not named since that day
//	lane       lane      "spells"    when the next hop was sick
//	importing  id        ""          a message that is being imported: the records it becomes
//	imported   id        ""          one that was, so that it is not taken twice; for 90 days
//	split      id        ""          a file that a record gets which is being parted: of which record
//	fallen     hash      ""          who of several destinations has come to one by falling back, so that he does
//	                                 not come there twice; for 90 days
//	reports    hour      sender      how many reports went there in this hour (flood.go)
//	queue      ""        "confirm"   the last Confirm; the value means nothing
//
// # Octets
//
// What was sent is what is queued, in normal form: a bare LF becomes CRLF, a bare CR a blank, a missing
// last CRLF is added, nothing else; no SMTP can carry these, and smuggling lives there. It is done in
// Batch.Add and nowhere else, and counted in an event.
//
// # Duplicates
//
// A recipient may get a message twice in three windows, and in no other: no result was committed after the
// final dot (the answer was not seen, the process died, or the lease had run out; at most one message per
// connection); the listener's 250 was lost; the database was damaged or rebuilt. Everything else is told
// apart by marks: the UID, where the server gives one that holds, the announced size, and the content key,
// a keyed hash of the header section and the size.
//
// Several messages of a maildrop may be one mail, stored for each recipient; who brings them says so
// ([mail.Copier]). Each has a record and a body of its own, or, where it adds no recipient, a mark only, and
// is taken in the commit of the first or after it, never without it.
//
// A message whose route has several lanes has a record and a body in each, made by one commit with one mark (share.go).
// Of a recipient that is in several the first lane answers to the sender; in the others its failure is told to the
// postmaster.
//
// # Who is told
//
// Of a failure that is believed its sender, unless [Queue.Fate] says otherwise (fate.go): it is kept (held, or upstream
// after a probe), goes whole to somebody else, or ends in silence, which is logged. Where one sender has had many reports
// the rest stays owed, and is held after a day. Of a delay the sender is told once ([Queue.Warn]); of success where that
// was asked for and the next hop does not say it. All of these are in the commit that notes them.
//
// # Order
//
// What is due in a lane is attempted by due time. Small mail of those who bring little overtakes the crowd, a bounded
// number of times: overtake.go.
//
// # Failures that are not believed
//
// A refusal ends a recipient only when somebody may be told and the refusal is believed: suspect.go says
// when that is. A message held as suspect has its recipients waiting again: let go by a success in its lane
// or by somebody's word, it is attempted once more, and what is refused again is told of. Held messages do
// not expire.
package store
