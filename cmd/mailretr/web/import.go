package web

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// importing is the file of messages that an admin brings, one at a time, and how the last one ended. The zero value is ready;
// safe for concurrent use.
type importing struct {
	mu   sync.Mutex
	busy bool
	last *importResult
}

// An importResult says what became of the messages of a file.
type importResult struct {
	ended time.Time

	Taken, There, Known int
	Failed, Others      int // messages that were not taken, and files that are no messages
	Why                 []importFault
	Cut                 string // why the file was not read to its end; "": it was
}

// An importFault is why something was not taken.
type importFault struct{ Name, Text string }

const (
	// maxFaults is how many of them are kept for the page.
	maxFaults = 50
	// maxKnown bounds what is known of one message, maxAhead that of all whose octets have not come yet, in octets.
	maxKnown = 4 << 20
	maxAhead = 16 << 20
)

func (x *importResult) fault(name, text string) {
	if x.Failed++; len(x.Why) < maxFaults {
		x.Why = append(x.Why, importFault{name, text})
	}
}

func (i *importing) begin() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy {
		return false
	}
	i.busy = true
	return true
}

func (i *importing) end(x *importResult) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.busy, i.last = false, x
}

// An importPage is the form, and what became of the last file.
type importPage struct{ Last *importResult }

func importOf(v *visit) error {
	v.imports.mu.Lock()
	p := importPage{Last: v.imports.last}
	v.imports.mu.Unlock()
	if p.Last != nil && v.at.Sub(p.Last.ended) > remembered {
		p.Last = nil
	}
	v.show(http.StatusOK, "import", v.texts.get("import.title"), p)
	return nil
}

// importMany takes messages back out of an archive as exportMany makes it. It is read as it comes, however long it is: what
// is known of a message has to come before its octets. One that cannot be taken does not keep the others out.
func importMany(v *visit) error {
	form, err := v.r.MultipartReader()
	if err != nil {
		return errForm
	}
	if !v.imports.begin() {
		return &fault{http.StatusConflict, "import.busy"}
	}
	began, x := time.Now(), &importResult{}
	defer func() {
		x.ended = v.at.Add(time.Since(began))
		v.imports.end(x)
	}()
	ctl := http.NewResponseController(v.w)
	files, err := v.importForm(form, ctl, x)
	_ = ctl.SetWriteDeadline(time.Now().Add(writing)) // a recorder of tests has none
	switch {
	case err != nil && v.r.Context().Err() != nil:
		x.Cut = v.texts.get("import.cut")
		return nil // nobody is there any more
	case err != nil:
		x.Cut = v.texts.get("import.unread", err.Error())
	case files == 0:
		return errForm
	}
	v.log("imported", "messages", x.Taken, "failed", x.Failed, "user", mail.Printable(v.who.Name, 200))
	return v.see("/admin/import")
}

// importForm reads the form: whether what was imported before is meant, too, comes before the file.
func (v *visit) importForm(form *multipart.Reader, ctl *http.ResponseController, x *importResult) (files int, err error) {
	again := false
	for {
		p, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, err
		}
		switch {
		case p.FormName() == "again":
			again = true
		case p.FormName() == "file" && p.FileName() != "":
			files++
			in := &archive{visit: v, ahead: map[string][]byte{}, again: again, result: x}
			if err := in.read(&steady{p, ctl}); err != nil {
				return files, err
			}
		}
	}
}

// steady lets a browser take as long as it goes on sending.
type steady struct {
	from io.Reader
	ctl  *http.ResponseController
}

// Read is io.Reader.
func (s *steady) Read(b []byte) (int, error) {
	_ = s.ctl.SetReadDeadline(time.Now().Add(writing)) // a recorder of tests has none
	return s.from.Read(b)
}

// An archive is one that is being read.
type archive struct {
	*visit
	ahead  map[string][]byte // what is known of messages whose octets have not come yet, by name
	octets int               // of that
	again  bool
	result *importResult
}

// read takes what it can. An error is one of the archive: what comes behind it cannot be read.
func (a *archive) read(from io.Reader) error {
	in := tar.NewReader(from)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := a.file(in, h); err != nil {
			return err
		}
	}
	for name := range a.ahead {
		a.result.fault(name, a.texts.get("import.octets"))
	}
	_, err := io.Copy(io.Discard, from) // blocks of nothing, which end an archive
	return err
}

// file takes one file of the archive: its name is what stands behind the last stroke, and nothing is ever written to it.
func (a *archive) file(in io.Reader, h *tar.Header) error {
	base := path.Base(h.Name)
	name, kind := strings.TrimSuffix(base, path.Ext(base)), path.Ext(base)
	switch {
	case h.Typeflag == tar.TypeDir:
		return nil
	case h.Typeflag != tar.TypeReg || strings.HasPrefix(base, ".") || kind != ".json" && kind != ".eml":
		a.result.Others++
		return nil
	case kind == ".json":
		return a.known(name, in, h.Size)
	}
	known, ok := a.ahead[name]
	if !ok {
		a.result.fault(name, a.texts.get("import.order"))
		return nil
	}
	delete(a.ahead, name)
	a.octets -= len(known)
	return a.message(name, known, in)
}

func (a *archive) known(name string, in io.Reader, size int64) error {
	if size > maxKnown || a.octets+int(size) > maxAhead {
		a.result.fault(name, a.texts.get("import.long"))
		return nil
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	a.octets += len(b) - len(a.ahead[name])
	a.ahead[name] = b
	return nil
}

// message takes one message.
func (a *archive) message(name string, known []byte, octets io.Reader) error {
	ctx, cancel := context.WithCancel(a.r.Context())
	defer cancel()
	watched := &watched{from: octets}
	x, err := a.client.Import(ctx, known, watched, a.again)
	switch {
	case watched.err != nil:
		return watched.err // it is the archive that has ended
	case err != nil:
		e := control.ErrorOf(err)
		a.result.fault(name, e.Error())
	case x.State == control.There:
		a.result.There++
	case x.State == control.Known:
		a.result.Known++
	default:
		a.result.Taken++
	}
	return nil
}

// watched keeps the error that is not the end.
type watched struct {
	from io.Reader
	err  error
}

// Read is io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
