package web

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed text/en.txt
var englishText string

// texts are the words of the pages, by their keys.
type texts map[string]string

// english reads the words: lines "key = text"; # begins a comment, and a line that begins with a blank goes on.
var english = sync.OnceValue(func() texts {
	t, last := texts{}, ""
	for line := range strings.Lines(englishText) {
		line = strings.TrimRight(line, "\n")
		key, text, ok := strings.Cut(line, " = ")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ' ':
			t[last] += " " + strings.TrimSpace(line)
		case ok:
			last = strings.TrimSpace(key)
			t[last] = strings.TrimSpace(text)
		}
	}
	return t
})

// get returns a text with what belongs into it. A key that is missing shows itself; a test sees to it that none is.
func (t texts) get(key string, args ...any) string {
	text, ok := t[key]
	switch {
	case !ok:
		return key
	case len(args) == 0:
		return text
	}
	return fmt.Sprintf(text, args...)
}

// first returns the first of some keys that has a text.
func (t texts) first(keys ...string) string {
	for _, k := range keys {
		if text, ok := t[k]; ok {
			return text
		}
	}
	return ""
}
