package web

import (
	"context"
	"net/http"
	"strings"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// edit changes the envelope of one message: another address for one of its recipients, one less, or one more; or who is told
// of what becomes of it. That somebody shall not get it is asked about first: nobody is told.
func edit(v *visit) error {
	id, err := mail.ParseID(v.r.PostFormValue("id"))
	if err != nil {
		return errNotThere
	}
	old, address := v.r.PostFormValue("old"), strings.TrimSpace(v.r.PostFormValue("address"))
	q := control.EditRequest{ID: id.String()}
	switch do := v.r.PostFormValue("do"); {
	case do == "replace" && old != "" && address != "":
		q.Replace = []control.Replacement{{Old: old, New: address}}
	case do == "remove" && old != "":
		if q.Remove = []string{old}; v.r.PostFormValue("sure") == "" {
			return v.askEdit(q, old)
		}
	case do == "sender" && address != "": // <> is nobody; nothing may be a slip
		bare := strings.TrimSuffix(strings.TrimPrefix(address, "<"), ">")
		q.Sender = &bare
	case do == "add" && address != "":
		q.Add = []string{address}
	default:
		return errForm
	}
	if err := v.edited(q); err != nil {
		return err
	}
	v.log("changed", "verb", "edit", "id", q.ID, "user", mail.Printable(v.who.Name, 200))
	return v.back("edit")
}

// askEdit asks before a recipient is taken out, where that could be done at all.
func (v *visit) askEdit(q control.EditRequest, old string) error {
	m, err := v.client.Show(v.r.Context(), q.ID)
	if err != nil {
		return err
	}
	q.DryRun = true
	if err := v.edited(q); err != nil {
		return err
	}
	v.show(http.StatusOK, "sure", v.texts.get("sure.title"), sure{Ask: v.texts.get("edit.ask", mail.Printable(old, 400)),
		Button: button{Text: v.texts.get("edit.remove")}, Message: v.waiting(&m), Action: "/admin/edit", Back: messageURL(q.ID),
		Fields: [][2]string{{"id", q.ID}, {"old", old}, {"do", "remove"}, {"back", messageURL(q.ID)}}})
	return nil
}

// edited waits for an attempt that is under way, as changed does.
func (v *visit) edited(q control.EditRequest) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), changing)
	defer cancel()
	return ended(ctx, v.client.Edit(ctx, q))
}
