// Package term is what the verbs say and how: answers on stdout, talk on stderr.
//
// It promises that a terminal gets aligned columns, colour (unless NO_COLOR is set) and progress bars, and
// that a pipe gets tabs, no colour and a plain line now and then; that colour is never the only carrier of
// meaning; and that nothing is held back longer than a screenful, however long a list is.
//
// It leaves to the caller what is shown. Cells come from networks: a [Table] passes each of them through
// mail.Printable, so a hostile reply can neither move the cursor nor forge a line.
//
// Read [Out] first.
package term
