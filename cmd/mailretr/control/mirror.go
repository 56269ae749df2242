package control

import "time"

// A Mirror is a place in a database into which is written how maildrops are.
type Mirror struct {
	Name    string    `json:"name"`             // of the source
	Into    string    `json:"into"`             // the table
	Written time.Time `json:"written,omitzero"` // when it was last as it should be
	Waiting int       `json:"waiting"`          // maildrops that have changed since
	Wrong   string    `json:"wrong,omitempty"`  // "": it is well
	Since   time.Time `json:"since,omitzero"`   // of what is wrong
}
