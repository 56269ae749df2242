package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// line writes one object of an answer.
func (a *app) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(visible(b), '\n'))
	return err
}

// visible escapes what is not seen, or changes how its neighbours are seen, in JSON: a person may look at
// it on a terminal. Such runes stand in strings only, where an escape means the same.
func visible(b []byte) []byte {
	if !bytes.ContainsFunc(b, unseen) {
		return b
	}
	var out []byte
	for _, r := range string(b) {
		if !unseen(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, u)
		}
	}
	return out
}

func unseen(r rune) bool { return r >= utf8.RuneSelf && !unicode.IsPrint(r) }
