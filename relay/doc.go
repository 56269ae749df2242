// Package relay has the one loop that moves mail, and the policies around it.
//
// [Transfer] takes messages from a [mail.Retriever] to a [mail.Deliverer]: collecting is a transfer from a maildrop to the
// queue, delivering one from the queue to an MTA. Policies are decorators around the two interfaces: [HeadersFirst] asks
// before it fetches, [Trace] adds the Received line. [Runner] keeps one transfer per connection going for each lane of the
// queue, and knows when a next hop is sick.
//
// It promises that a message is let go of only after its report is Done, that small mail goes before large, and that a
// stop ends between two messages or, after a grace, in the middle of one without a result. It leaves to the deliverers what
// a refusal means, to the queue what is tried again when, and to package fetch which maildrop is opened when.
//
// Read first: [Transfer.Run].
package relay
