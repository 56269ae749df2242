package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const beside = `hostname: mail.example.org
deliver: {smtp: "localhost:25"}
bounce: {from: mailer-daemon@example.org, postmaster: postmaster@example.org}
maildrops:
  - name: jaco
    url: imaps://jaco@mail.isp.example
    password: {env: X}
    to: jaco@example.org
`

// What is written in each form is read, and shown so that it is read again as the same.
func TestFoldersAfterAndSearch(t *testing.T) {
	for text, want := range map[string]string{
		"folders: INBOX":                     "[INBOX] keep []",
		`folders: [INBOX, "Lists/*", \Junk]`: `[INBOX Lists/* \Junk] keep []`,
		"folders:\n      - INBOX\n      - {name: \\Archive, to: [a@example.org, b@example.org]}\n      - exclude: x*\n      - '*'": `[INBOX \Archive=[a@example.org b@example.org] -x* *] keep []`,
		"after: delete above 10M after 14d":       "[INBOX] delete above 10M after 14d []",
		"after: {delete: , above: 10M}":           "[INBOX] delete above 10M []",
		"after: {move: Old mail, after: 2w}":      "[INBOX] move Old mail after 14d []",
		"after: move Old mail":                    "[INBOX] move Old mail []",
		"after: {seen: }":                         "[INBOX] seen []",
		`after: flag \Flagged`:                    `[INBOX] flag \Flagged []`,
		"after: {flag: $Collected}":               "[INBOX] flag $Collected []",
		`search: UNSEEN NOT FROM "x"`:             `[INBOX] keep [UNSEEN NOT FROM "x"]`,
		`search: 'OR (SEEN FLAGGED) SUBJECT "ä"'`: `[INBOX] keep [OR (SEEN FLAGGED) SUBJECT "ä"]`,
	} {
		file := beside + "    " + text + "\n"
		for round := range 2 {
			c, problems, err := load(t, map[string]string{"mailretr.yaml": file})
			if err != nil || len(c.Maildrops) != 1 {
				t.Errorf("%s, round %d: %v, %s", text, round, err, said("", problems))
				break
			}
			m := c.Maildrops[0]
			var folders []string
			for _, f := range m.Folders {
				s := f.Name
				if f.Exclude {
					s = "-" + s
				}
				if len(f.To) > 0 {
					s += fmt.Sprint("=", f.To)
				}
				folders = append(folders, s)
			}
			if got := fmt.Sprintf("%v %v [%v]", folders, m.After, m.Search); got != want {
				t.Errorf("%s, round %d: %s, want %s", text, round, got, want)
			}
			var b bytes.Buffer
			if err := Write(&b, &c); err != nil {
				t.Fatal(err)
			}
			file = b.String()
		}
	}
}

// Each mistake is told at its place, with what to write.
func TestFoldersAfterAndSearchMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`folders: [INBOX, \Spam]`:                      `9:22  error    folders: \Spam is no use of a folder; write one of`,
		"folders: [{nam: x}]":                          `9:16  error    unknown key "nam"; did you mean "name"?`,
		"folders: [{to: a@example.org}]":               `9:15  error    folders: the name of a folder is missing; write {name:`,
		"folders: [{name: x, exclude: y}]":             `9:34  error    exclude: this folder has a name already`,
		"folders: ['*', {exclude: y, to: a@b.c}]":      `9:20  error    folders: what is excluded has nothing else to it; write {exclude: y}`,
		"folders: [{name: x, to: nobody}]":             `9:29  error    to: "nobody" is no mail address`,
		"folders: [a, {exclude: b}]":                   `9:18  error    folders: there is nothing that "b" could be excluded from; add a pattern`,
		"folders:\n      - !x y":                       `10:9  error    folders: a value that begins with ! is a tag to YAML; put it in quotes`,
		"after: remove":                                `9:12  error    after: "remove" is not known; write keep, seen, delete`,
		"after: {delete: yes}":                         `9:21  error    delete: no value is wanted here, not "yes"`,
		"after: {delete: , move: x}":                   `9:29  error    after: only one thing can be done to a message`,
		"after: {above: 10M}":                          `9:12  error    after: it is not said what is done; write e.g. {delete: , above: 10M}`,
		"after: {seen: , after: 2d}":                   `9:12  error    after: a flag is set at once, and on everything`,
		"after: {delete: , after: 2}":                  `9:30  error    after: "2" is no duration`,
		"after: {delet: }":                             `9:13  error    unknown key "delet"; did you mean "delete"?`,
		"after: delete after 12h":                      `9:12  error    after: 12h is out of range; write 1d to`,
		"after: {move: INBOX}":                         `9:5  error    after: mail is moved to "INBOX", from which it is collected; choose another one`,
		"after: move Old after 14d":                    `9:12  error    after: "move Old after 14d" can be read in two ways; write e.g. {move: Folder, after: 14d}`,
		"search: UNREAD":                               `9:13  error    search: "UNREAD" is no search key of RFC 9051; write e.g. UNSEEN`,
		"search: SINCE yesterday":                      `9:13  error    search: SINCE: "yesterday" is no date; write e.g. 1-Jan-2026`,
		"search: [UNSEEN]":                             `9:13  error    search: one value is wanted, not a list`,
		"search: \"UNSEEN\\r\\nA1 LOGOUT\"":            `9:13  error    search: the expression has a character that no command can carry`,
		"search: UNSEEN\n    url: pop3s://x@y.example": `search: a POP3 server cannot search; remove it, or use imap`,
	} {
		dir := t.TempDir()
		file := beside + "    " + text + "\n"
		if strings.Contains(text, "url:") {
			file = strings.Replace(file, "    url: imaps://jaco@mail.isp.example\n", "", 1)
		}
		_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": file})
		got := said(dir, problems)
		if err != nil && !errors.Is(err, ErrConfig) || !strings.Contains(got, want) {
			t.Errorf("%s:\n%swant %s", text, got, want)
		}
	}
}
