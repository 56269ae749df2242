package web

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
)

// A file is one of an archive.
type file struct{ name, text string }

func unpacked(t *testing.T, octets string) (all []file) {
	t.Helper()
	in := tar.NewReader(strings.NewReader(octets))
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file{h.Name, string(b)})
	}
}

func packed(t *testing.T, all ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, f := range all {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: 0o600}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bring sends a file as the form of the page does.
func (b *browser) bring(octets []byte, again bool) (int, string) {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if again {
		if err := form.WriteField("again", "1"); err != nil {
			b.t.Fatal(err)
		}
	}
	w, err := form.CreateFormFile("file", "messages.tar")
	if err == nil {
		_, err = w.Write(octets)
	}
	if err != nil || form.Close() != nil {
		b.t.Fatal(err)
	}
	r := b.form("/admin/import")
	r.Body, r.ContentLength = io.NopCloser(&body), int64(body.Len())
	r.Header.Set("Content-Type", form.FormDataContentType())
	code, text, _ := b.do(r)
	return code, text
}

// What is saved on one page is taken back on the other, whole; only what was meant is saved, and no browser shows it.
func TestExportAndImport(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range exportPart + 3 {
		ids = append(ids, w.put("jaco", fmt.Sprint(i), "a@example.org", strings.Repeat(evil, i), "jaco@kroon.co.za"))
	}
	slices.Sort(ids)
	w.hold(ids[0], "looking")
	other := w.put("anna", "9", "", "x", "anna@kroon.co.za")
	b := w.as("gert")
	if code, _ := b.post("/admin/export", "maildrop", "jaco"); code != http.StatusBadRequest {
		t.Errorf("nothing is meant: %d", code)
	}
	if code, _ := b.post("/admin/export", "all", "1", "from", "nobody@x"); code != http.StatusNotFound {
		t.Errorf("nothing is like that: %d", code)
	}
	code, octets, h := b.do(b.form("/admin/export", "maildrop", "jaco", "all", "1"))
	if code != 200 || h.Get("Content-Type") != "application/octet-stream" ||
		h.Get("Content-Disposition") != `attachment; filename="mailretr-queue-20260105T120000Z.tar"` {
		t.Fatalf("%d %v", code, h)
	}
	all := unpacked(t, octets)
	if len(all) != 2*len(ids) {
		t.Fatalf("%d files of %d messages", len(all), len(ids))
	}
	for i, id := range ids {
		if all[2*i].name != id+".json" || all[2*i+1].name != id+".eml" || !strings.HasSuffix(all[2*i+1].text, "\r\n\r\nbody\r\n") {
			t.Errorf("%d: %s %s %q", i, all[2*i].name, all[2*i+1].name, all[2*i+1].text)
		}
	}
	if _, octets, _ := b.do(b.form("/admin/export", "id", other)); len(unpacked(t, octets)) != 2 {
		t.Error("what was marked alone")
	}

	if code, text := b.bring([]byte(octets), false); code != 200 || !strings.Contains(text, "0 messages imported") ||
		!strings.Contains(text, "67 messages were in the queue already") {
		t.Errorf("they are there: %d %s", code, text)
	}
	w.drop(ids...)
	if code, text := b.bring([]byte(octets), false); code != 200 || !strings.Contains(text, "67 messages imported.") {
		t.Fatalf("taken back: %d %s", code, text)
	}
	m, err := w.server.client.Show(t.Context(), ids[0])
	if err != nil || m.State != control.Held || m.Why != "looking" || w.state(ids[5]) != control.Queued {
		t.Errorf("%+v %v", m, err)
	}
	w.drop(ids...)
	if _, text := b.bring([]byte(octets), false); !strings.Contains(text, "67 messages were imported before") || w.state(ids[5]) != "" {
		t.Errorf("a second time: %s", text)
	}
	if _, text := b.bring([]byte(octets), true); !strings.Contains(text, "67 messages imported.") || w.state(ids[5]) != control.Queued {
		t.Errorf("again: %s", text)
	}
}

// drop removes messages, and waits until their ids may be used again.
func (w *world) drop(ids ...string) {
	w.t.Helper()
	defer func() {
		for _, text := range ids {
			id, err := mail.ParseID(text)
			for ending := true; ending && err == nil; {
				if ending, err = w.house.Engine.(store.Ender).Ending(w.t.Context(), id); ending {
					<-time.After(5 * time.Millisecond)
				}
			}
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}()
	for x, err := range w.server.client.Change(w.t.Context(), control.Remove, control.ChangeRequest{Select: control.Select{IDs: ids}}) {
		if err != nil || x.Error != nil {
			w.t.Fatal(x, err)
		}
	}
}

// What is in the file besides is left out, and said; what is wrong with one message does not keep the others out; names are
// no paths.
func TestImportOddFiles(t *testing.T) {
	w := newWorld(t)
	id, id2 := w.put("jaco", "1", "", "x", "jaco@kroon.co.za"), w.put("jaco", "2", "", "y", "jaco@kroon.co.za")
	id, id2 = min(id, id2), max(id, id2)
	b := w.as("gert")
	_, octets, _ := b.do(b.form("/admin/export", "all", "1"))
	all := unpacked(t, octets)
	w.drop(id, id2)
	// What is known of all of them first, as a shell would name them, and in a directory.
	code, text := b.bring(packed(t, file{"q/", ""}, file{"q/._x.json", "x"}, file{"../../q/" + all[0].name, all[0].text}, file{all[2].name, all[2].text},
		file{"README", evil}, file{evil + ".json", "{}"}, file{"early.eml", "x"}, file{"bad.json", "no"}, file{"bad.eml", "x"},
		file{"/etc/" + all[1].name, all[1].text}, file{all[3].name, strings.Replace(all[3].text, "body", "ydob", 1)}), false)
	if code != 200 || strings.Contains(text, "<img") || w.state(id) != control.Queued || w.state(id2) != "" {
		t.Errorf("%d %s %s %s", code, w.state(id), w.state(id2), text)
	}
	for _, want := range []string{"1 message imported.", "2 files in it were no messages", "4 messages could not be imported", "its octets are missing",
		"has to come before its octets", "is no JSON", "not those that the message was exported with"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	for name, x := range map[string]struct {
		octets []byte
		want   string
	}{
		"no archive": {[]byte(strings.Repeat("no archive at all ", 99)), "could not be read to its end"},
		"broken off": {[]byte(octets[:len(octets)-2000]), "could not be read to its end"},
		"empty":      {nil, "0 messages imported"},
		"too long":   {packed(t, file{"x.json", strings.Repeat(" ", maxKnown+1)}, file{"x.eml", ""}), "is too long"},
	} {
		if code, text := b.bring(x.octets, false); code != 200 || !strings.Contains(text, x.want) {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if code, _ := b.post("/admin/import", "file", "x"); code != http.StatusBadRequest {
		t.Errorf("no file: %d", code)
	}
	w.server.imports.begin()
	if code, _ := b.bring(nil, false); code != http.StatusConflict {
		t.Errorf("two at once: %d", code)
	}
	w.server.imports.end(&importResult{})
	b.from = "cross-site"
	if code, _ := b.bring([]byte(octets), true); code != http.StatusForbidden || w.state(id2) != "" {
		t.Errorf("another site: %d", code)
	}
}

// The files of the queue are compared with its records; what is wrong is named with what to do, and can be stopped.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	b := w.as("gert")
	if code, _ := b.post("/admin/verify"); code != http.StatusServiceUnavailable {
		t.Errorf("where it cannot be done: %d", code)
	}
	id := w.put("jaco", "1", "", "x", "jaco@kroon.co.za")
	said, goes := make(chan struct{}), make(chan struct{})
	w.server.House.Verify = func(ctx context.Context, x badger.Inspection) (int, int64, error) {
		parsed, err := mail.ParseID(id)
		if err != nil {
			return 0, 0, err
		}
		for _, f := range []badger.Finding{{Problem: badger.Damaged, ID: parsed, File: "a/" + evil, Err: errors.New(evil)}, {Problem: badger.SetAside}} {
			if err := x.Found(f); err != nil {
				return 0, 0, err
			}
		}
		said <- struct{}{}
		select {
		case <-goes:
			return 3, 4096, nil
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	w.server.client = control.Local(w.server.House)
	begin := func() {
		if code, text := b.post("/admin/verify"); code != 200 || !strings.Contains(text, `id="stop"`) {
			t.Errorf("%d %s", code, text)
		}
		<-said
	}
	begin()
	if code, _ := b.post("/admin/verify"); code != http.StatusConflict {
		t.Errorf("two at once: %d", code)
	}
	goes <- struct{}{}
	w.server.inspection.wait()
	_, text := b.get("/admin/verify")
	for _, want := range []string{"2 findings to be looked at; 3 messages, 4.0", "is damaged", "&lt;script&gt;", "/admin/message?id=" + id, "set aside", "Verify now"} {
		if !strings.Contains(text, want) || strings.Contains(text, "<img") {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	begin()
	b.post("/admin/verify", "stop", "1")
	w.server.inspection.wait()
	if _, text := b.get("/admin/verify"); !strings.Contains(text, "ended before all was read") {
		t.Error(text)
	}
	begin()
	goes <- struct{}{}
	w.server.inspection.wait()
	w.pass(61 * time.Minute)
	if _, text := b.get("/admin/verify"); !strings.Contains(text, "1 hour ago") {
		t.Error(text)
	}
}
