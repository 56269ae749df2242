package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// body reads the JSON of a request, strictly: a key that is not known is a client that is newer than we
// are.
func body[T any](r *http.Request) (v T, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err = d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return v, usage("the request cannot be read: "+err.Error(), otherVersion)
	}
	return v, nil
}

// otherVersion is the hint where client and daemon do not understand each other.
const otherVersion = "client and daemon may be of different versions; restart the daemon"

// slowly is how long a client may take to send its request.
const slowly = 30 * time.Second
