package web

import (
	"context"
	"strings"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/mail"
)

// edit changes the recipients of one message: another address for one of them, one less, or one more.
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
		q.Remove = []string{old}
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

// edited waits for an attempt that is under way, as changed does.
func (v *visit) edited(q control.EditRequest) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), changing)
	defer cancel()
	return ended(ctx, v.client.Edit(ctx, q))
}
