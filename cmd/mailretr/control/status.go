package control

import (
	"context"
	"iter"
)

// A Status knows how the maildrops are.
type Status interface {
	Maildrops(context.Context) iter.Seq2[Maildrop, error]
}

// A Maildrop is how one maildrop is.
type Maildrop struct {
	Name string `json:"maildrop"`
}
