package ldap

import (
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mailretr/conf"
)

// several are the attributes of presets that hold whole maildrops as their values.
var several = map[string][]string{"univention": {"univentionFetchmailSingle", "univentionFetchmailMulti"}}

// finish is what presets do with a row: it may become several.
var finish = map[string]func(*entry, *conf.Row) []*conf.Row{
	"univention": univention, "zimbra": zimbra, "fetchmail": fetchmail,
}

// fetchmail reads of the text for a fetchmailrc what says that mail stays; nothing else of it is looked at.
func fetchmail(_ *entry, row *conf.Row) []*conf.Row {
	for _, w := range strings.Fields(row.Columns["options"]) {
		switch w {
		case "keep":
			row.Set("keep", "1")
		case "nokeep":
			row.Set("keep", "0")
		}
	}
	return []*conf.Row{row}
}

// The members of a value of univentionFetchmailSingle, and of univentionFetchmailMulti.
var (
	single = []string{"host", "protocol", "user", "password", "tls", "keep"}
	multi  = []string{"host", "protocol", "user", "password", "", "", "", "tls", "keep"}
)

// univention makes a row of each value. Older directories have one maildrop in attributes of their own.
func univention(e *entry, row *conf.Row) []*conf.Row {
	var rows []*conf.Row
	if row.Columns["host"] != "" || row.Wrong["host"] != "" {
		rows = append(rows, row)
	}
	take := func(attribute string, columns []string) {
		for i, v := range e.values[strings.ToLower(attribute)] {
			one := &conf.Row{}
			one.Call(fmt.Sprintf("%s value %d of %s", e.dn, i+1, attribute))
			one.Set("password_encoding", "plain")
			if to, ok := row.Columns["recipient"]; ok {
				one.Set("recipient", to)
				one.Set("name", fmt.Sprintf("%s-%d", to, len(rows)+1))
			}
			if why := row.Wrong["recipient"]; why != "" {
				wrong(one, "recipient", why)
			}
			if err := members(one, v, columns); err != nil {
				wrong(one, "host", err.Error())
			}
			rows = append(rows, one)
			if len(columns) == len(multi) {
				wrong(one, "recipient", "stands for many: "+
					"maildrops that hold the mail of many are collected where they stand in a file, with multidrop:")
			}
		}
	}
	take(several["univention"][0], single)
	take(several["univention"][1], multi)
	return rows
}

// members reads a value: a list in JSON, or, in older directories, "a";"b".
func members(row *conf.Row, value string, columns []string) error {
	if len(value) > len(columns)*conf.MaxColumn {
		return errors.New("is too long")
	}
	var list []string
	if json.Unmarshal([]byte(value), &list) != nil {
		list = strings.Split(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`), `";"`)
	}
	if len(list) != len(columns) {
		return fmt.Errorf("stands in a value that has %d members instead of %d", len(list), len(columns))
	}
	for i, c := range columns {
		switch {
		case c == "tls" && list[i] != "1":
			row.Set(c, "starttls")
		case c == "keep" && list[i] != "1":
			row.Set(c, "0")
		case c != "":
			row.Set(c, list[i])
		}
	}
	return nil
}

// protocolOf reads the type of a data source of its object classes.
func protocolOf(classes []string) string {
	for _, c := range classes {
		switch strings.ToLower(c) {
		case "zimbrapop3datasource":
			return "pop3"
		case "zimbraimapdatasource":
			return "imap"
		}
	}
	return "another object class"
}

// zimbra reads the password, and leaves out an interval of 0, which is none.
func zimbra(_ *entry, row *conf.Row) []*conf.Row {
	if row.Columns["interval"] == "0" {
		delete(row.Columns, "interval")
	}
	if p, ok := row.Columns["password"]; ok {
		if text, err := zimbraPassword(row.Columns["id"], p); err != nil {
			wrong(row, "password", err.Error())
		} else {
			row.Set("password", text)
		}
	}
	return []*conf.Row{row}
}

// zimbraPassword undoes what hides a password from a glance only: base64 of 1, 16 octets of salt, and the text, padded, in
// AES (ECB) with the MD5 of salt and id for a key.
func zimbraPassword(id, text string) (string, error) {
	bad := errors.New("is not as Zimbra writes it")
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	const head = 1 + 16
	if err != nil || len(b) < head+aes.BlockSize || (len(b)-head)%aes.BlockSize != 0 || b[0] != 1 {
		return "", bad
	}
	key := md5.Sum(append(b[1:head:head], id...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return "", err
	}
	plain := make([]byte, len(b)-head)
	for i := 0; i < len(plain); i += aes.BlockSize {
		block.Decrypt(plain[i:], b[head+i:])
	}
	pad := int(plain[len(plain)-1]) // PKCS #7
	if pad < 1 || pad > aes.BlockSize || pad > len(plain) {
		return "", bad
	}
	for _, x := range plain[len(plain)-pad:] {
		if int(x) != pad {
			return "", bad
		}
	}
	return string(plain[:len(plain)-pad]), nil
}
