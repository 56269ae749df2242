package control

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// S15, H2: whatever strangers have said comes back octet for octet, and never leaves its place in the file.
func TestS15_SidecarLosesNothing(t *testing.T) {
	odd := "\x00\xff\"\\\r\nX: y\u2028\u202e\x1b[2J{"
	at := time.Date(2026, 3, 4, 5, 6, 7, 89, time.FixedZone("", 7200))
	r := store.Record{
		ID: mail.NewID(at, nil), Parent: mail.NewID(at, nil), Lane: mail.Lane(odd), Queued: at, Due: at, Last: at,
		Hold: store.HoldCrash, HoldWhy: odd, Size: 5, SHA256: [32]byte{1, 2}, Line: 7, Announced: 8, Whole: true,
		Origin:  mail.Origin{Maildrop: odd, Account: "a", UID: mail.UID(odd), Date: at, Flags: []string{odd, `\Seen`}},
		Reverse: mail.Path(odd), EnvID: odd, Ret: odd, Attempts: 3, Sick: time.Hour, Tries: 4,
		ParentOrigin: mail.Origin{Maildrop: "b", UID: "c"},
		Recipients: []store.Recipient{{
			Recipient: mail.Recipient{Forward: mail.Path(odd), Original: odd, Notify: odd}, State: store.Owed, Since: at, Times: 2,
			Last: store.Said{At: at, Enhanced: odd, Reply: odd, RemoteMTA: odd, Err: odd, Expired: true, GivenUp: true},
		}},
	}
	r.Recipients[0].Beside, r.Recipients[0].Copy = []mail.Lane{mail.Lane(odd)}, true
	r.Recipients[0].Warned = true
	// What is not written down: the engine's own, what only the octets say, a way that an import finds anew, and that somebody
	// let it go where it was: where it comes to, its sender has had no reports.
	left := map[string]bool{"Body": true, "Header": true, "Home": true, "Moved": true, "Released": true}
	for v, i := reflect.ValueOf(r), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != left[name] {
			t.Errorf("this test knows nothing of %s", name)
		}
	}
	b, err := json.Marshal(sidecarOf(&r))
	if err != nil || bytes.ContainsAny(b, "\x00\r\n\x1b") || bytes.Contains(b, []byte("\u2028")) {
		t.Fatalf("%s %v", b, err)
	}
	var s Sidecar
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	got, err := s.record()
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(sidecarOf(&got))
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("%s\n%s %v", b, again, err)
	}
	got.Queued, got.Due, got.Last, got.Origin.Date = at, at, at, at
	got.Recipients[0].Since, got.Recipients[0].Last.At = at, at
	if !reflect.DeepEqual(got, r) {
		t.Errorf("\n%+v\n%+v", got, r)
	}
}

func TestExportAndImport(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		id := put(t, h, "u1", "a@example.org", "jaco@kroon.co.za")
		list := all(t, c.Export(t.Context(), ExportRequest{}))
		if len(list) != 1 || list[0].ID != id.String() || list[0].Origin.UID != "u1" {
			t.Fatalf("%+v", list)
		}
		known, err := json.MarshalIndent(list[0], "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		// Large enough that the answer comes before the last octet: it is heard all the same.
		large := strings.NewReader(text + strings.Repeat("x", 8<<20))
		if x, err := c.Import(t.Context(), known, large, false); err != nil || x.State != There || x.ID != id.String() {
			t.Errorf("%+v %v", x, err)
		}
		if err := h.Queue.Remove(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		large.Seek(0, 0)
		for name, x := range map[string]struct{ known, octets string }{
			"longer":     {string(known), text + strings.Repeat("x", 8<<20)},
			"shorter":    {string(known), text[:len(text)-2]},
			"no JSON":    {"{", text},
			"no sidecar": {"[]", text},
			"id":         {`{"version":1,"queue_id":"../../etc/passwd"}`, text},
			"newer":      {`{"version":2}`, text},
			"endless":    {`{"version":1,"x":"` + strings.Repeat("x", maxSidecar) + `"}`, text},
		} {
			if _, err := c.Import(t.Context(), []byte(x.known), strings.NewReader(x.octets), false); codeOf(err) != Usage {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(all(t, c.List(t.Context(), ListRequest{}))); n != 0 {
			t.Errorf("%d messages", n)
		}
		for _, want := range []string{Done, There} {
			if x, err := c.Import(t.Context(), known, strings.NewReader(text), false); err != nil || x.State != want {
				t.Errorf("%+v %v", x, err)
			}
		}
		if got := read1(t, must(c.Cat(t.Context(), id.String(), false)), nil); got != text {
			t.Errorf("%q", got)
		}
	})
}
