package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"mailretr/store"
)

// An ExportRequest asks for what is known of messages; their octets are asked for one by one.
type ExportRequest struct{ Select }

func export(h *House, out *stream, r *http.Request) error {
	q, err := body[ExportRequest](r)
	if err != nil {
		return err
	}
	for l, err := range q.Select.records(r.Context(), h.Engine, h.now()) {
		if err != nil {
			return err
		}
		if err := out.item(sidecarOf(&l.Record), false); err != nil {
			return err
		}
	}
	return nil
}

// Export yields all that is known of messages, in order of queueing.
func (c *Client) Export(ctx context.Context, q ExportRequest) iter.Seq2[Sidecar, error] {
	return many[Sidecar](ctx, c, "/v1/queue/export", q)
}

// An ImportResult says what became of an import.
type ImportResult struct {
	ID    string `json:"queue_id"`
	State string `json:"state"` // done, there, known
}

// The states of an import, besides Done.
const (
	There = "there" // it is in the queue already
	Known = "known" // it was imported before, and has left the queue
)

// maxSidecar bounds what is known of a message, in octets: addresses and replies of a thousand recipients.
const maxSidecar = 4 << 20

// maxRest is how much of a message is read that is not taken, in octets.
const maxRest = 1 << 30

// imports takes one message: a line of JSON, its sidecar, and then its octets. It is the one request that may be long.
func (s *Server) imports(w http.ResponseWriter, r *http.Request) {
	out := newStream(w)
	in := bufio.NewReaderSize(&patient{r: r.Body, ctl: http.NewResponseController(w)}, 64<<10)
	out.end(func() error {
		// Who is still sending does not listen: the answer would be lost with the connection.
		defer io.Copy(io.Discard, io.LimitReader(in, maxRest))
		rec, err := readSidecar(in)
		if err != nil {
			return err
		}
		octets := io.LimitReader(in, rec.Size+1)
		x, err := s.House.Queue.Import(r.Context(), rec, octets, r.URL.Query().Get("again") == "yes")
		if err != nil {
			return err
		}
		state := map[store.Imported]string{store.ImportTaken: Done, store.ImportThere: There, store.ImportKnown: Known}[x]
		return out.item(ImportResult{ID: rec.ID.String(), State: state}, false)
	}())
}

// readSidecar reads the first line of an import.
func readSidecar(in *bufio.Reader) (r store.Record, err error) {
	var line []byte
	for more := true; more; {
		var part []byte
		part, more, err = in.ReadLine()
		if err != nil {
			return r, usage("the message cannot be read: "+err.Error(), "")
		}
		if line = append(line, part...); len(line) > maxSidecar {
			return r, usage("what is known of the message is longer than is believed", "")
		}
	}
	var s Sidecar
	if err := json.Unmarshal(line, &s); err != nil {
		return r, usage("what is known of the message cannot be read: "+err.Error(), "it has to be as queue export has written it")
	}
	return s.record()
}

// patient gives a client time as long as it sends.
type patient struct {
	r   io.Reader
	ctl *http.ResponseController
}

// Read reads, and has patience for the next octets.
func (p *patient) Read(b []byte) (int, error) {
	_ = p.ctl.SetReadDeadline(time.Now().Add(stalled)) // in the same process there is none
	return p.r.Read(b)
}

// Import brings a message back, as it was exported. sidecar is JSON; octets is read to its end. again takes it also when it
// was imported before.
func (c *Client) Import(ctx context.Context, sidecar []byte, octets io.Reader, again bool) (x ImportResult, err error) {
	var line bytes.Buffer
	if err := json.Compact(&line, sidecar); err != nil {
		return x, usage("what is known of the message is no JSON: "+err.Error(), "it has to be as queue export has written it")
	}
	line.WriteByte('\n')
	path := "/v1/queue/import"
	if again {
		path += "?again=yes"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://mailretr"+path, io.MultiReader(&line, octets))
	if err != nil {
		return x, ErrorOf(err)
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return x, err
	}
	defer answer.Close()
	for x, err := range items[ImportResult](answer) {
		return x, err
	}
	return x, cut(errors.New("it is empty"))
}
