package notes

// What is remembered of an IMAP session does not hide from the budget what a listing costs.
var _ interface{ Listing() int64 } = (*remembered)(nil)
