package web

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// chosen says which messages of the list are meant: those that were marked, or, with all, those that fulfil its conditions.
func (v *visit) chosen(f url.Values) (s control.Select, err error) {
	s, err = v.selection(f)
	switch {
	case err != nil:
		return s, err
	case len(f["id"]) > 0:
		return control.Select{IDs: f["id"]}, nil
	case f.Get("all") == "":
		return s, &fault{http.StatusBadRequest, "queue.which"}
	}
	s.All = !s.Filtered()
	return s, nil
}

// exports bound how many are saved at once: each reads from the disk of the queue for as long as a browser takes. The zero
// value is ready.
type exports struct{ turns }

// exportPart is how many messages are asked for at once: nothing of the queue is held on to while a browser reads slowly.
const exportPart = 64

// exportMany gives messages out in a file that no browser shows: of each what is known of it, ID.json, and its octets, ID.eml,
// as `queue export` writes them, in one archive (tar). The queue is not changed.
func exportMany(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errForm
	}
	s, err := v.chosen(v.r.PostForm)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), 4*soon)
	defer cancel()
	if !v.exports.take(ctx) {
		return &fault{http.StatusServiceUnavailable, "export.busy"}
	}
	defer v.exports.done()
	ids, err := v.named(ctx, s)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &fault{http.StatusServiceUnavailable, "queue.late"}
	case err != nil:
		return err
	case len(ids) == 0:
		return &fault{http.StatusNotFound, "queue.none"}
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="mailretr-queue-`+v.at.UTC().Format("20060102T150405Z")+`.tar"`)
	v.log("exported", "messages", len(ids), "user", mail.Printable(v.who.Name, 200))
	out := tar.NewWriter(patient{v.w, http.NewResponseController(v.w)})
	for part := range slices.Chunk(ids, exportPart) {
		if err := v.exported(out, part); err != nil {
			v.aborted("export", err)
		}
	}
	if err := out.Close(); err != nil {
		v.aborted("export", err)
	}
	return nil
}

// aborted breaks an answer off that has begun: the file must not look whole.
func (v *visit) aborted(what string, err error) {
	v.log("broke off", "what", what, "err", mail.Printable(err.Error(), 500), "user", mail.Printable(v.who.Name, 200))
	panic(http.ErrAbortHandler)
}

// named are the ids of what is selected, in order of queueing.
func (v *visit) named(ctx context.Context, s control.Select) (ids []string, err error) {
	for m, err := range v.client.List(ctx, control.ListRequest{Select: s, Brief: true}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, m.ID)
	}
	return ids, nil
}

// exported writes some messages. What was delivered meanwhile is left out.
func (v *visit) exported(out *tar.Writer, ids []string) error {
	var all []control.Sidecar
	for m, err := range v.client.Export(v.r.Context(), control.ExportRequest{Select: control.Select{IDs: ids}}) {
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	for i := range all {
		if err := v.exportOne(out, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

// exportOne writes one message: its octets behind what is known of it, so that an import need not go back.
func (v *visit) exportOne(out *tar.Writer, m *control.Sidecar) error {
	r, err := v.client.Cat(v.r.Context(), m.ID, false)
	var e *control.Error
	switch {
	case errors.As(err, &e) && e.Code == control.NotFound:
		return nil
	case err != nil:
		return err
	}
	defer r.Close()
	known, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := entry(out, m.ID+".json", int64(len(known)), m.Queued); err != nil {
		return err
	}
	if _, err := out.Write(known); err != nil {
		return err
	}
	if err := entry(out, m.ID+".eml", m.Size, m.Queued); err != nil {
		return err
	}
	n, err := io.Copy(out, r) // more than m.Size is an error
	if err == nil && n != m.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func entry(out *tar.Writer, name string, size int64, at time.Time) error {
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at.Truncate(time.Second)})
}
