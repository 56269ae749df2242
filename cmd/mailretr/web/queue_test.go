package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A slowReader is a browser at the end of a slow line: it notes how long each part of an answer may take.
type slowReader struct {
	*httptest.ResponseRecorder
	parts []int
	due   time.Time // until when the next part may be written
}

func (s *slowReader) SetWriteDeadline(t time.Time) error {
	s.due = t
	return nil
}

func (s *slowReader) Write(b []byte) (int, error) {
	if time.Until(s.due) > time.Minute {
		s.parts = append(s.parts, len(b))
	}
	s.due = time.Time{}
	return s.ResponseRecorder.Write(b)
}

// A message that is saved may take longer than another answer: each small part of it has its own time.
func TestLargeMessageSlowly(t *testing.T) {
	w := newWorld(t)
	id := w.put("jaco", "1", "", strings.Repeat("long ", 60_000), "jaco@kroon.co.za")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/octets?id="+id, nil)
	r.AddCookie(w.as("gert").cookies()[0])
	got := &slowReader{ResponseRecorder: httptest.NewRecorder()}
	w.site.Config.Handler.ServeHTTP(got, r)
	sum := 0
	for _, n := range got.parts {
		if sum += n; n > 32<<10 {
			t.Errorf("a part of %d octets", n)
		}
	}
	if sum < 300_000 || sum != got.Body.Len() {
		t.Errorf("%d of %d octets had their own time", sum, got.Body.Len())
	}
}
