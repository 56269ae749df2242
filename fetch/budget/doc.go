// Package budget counts what collecting costs on the line, and says when a budget is spent ("the CAP"):
// octets a day and a month, of the line as a whole, of single maildrops, and of some together.
//
// It promises that octets are reserved before they are asked for and corrected by what the meter says
// afterwards, so that sessions side by side cannot pass a limit together; that a reservation is durable
// before its octets are asked for, so that a crash cannot make more of a budget (what was reserved then
// counts as spent, and is named "assumed"); that counting costs one commit a minute, and one more for a
// session that reserves more than is reserved already; and that no more than 13 months are kept. Without
// a limit nothing is reserved, and a crash forgets a minute.
//
// Octets are those of connections: TLS and commands included, TCP and IP not.
//
// It leaves to fetch which message is asked for, and to its [Store] where notes are kept. Days, months
// and hours are those of a [Calendar], which knows of time zones and of months that have no 31st.
//
// Read first: [Book], then [Book.Open] and [Purse.Take], then [Book.Save].
package budget
