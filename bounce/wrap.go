package bounce

import "strings"

// width is the longest line of the part for people, where its words allow it.
const width = 72

// wrapText writes a paragraph. A word that is longer than any line stays whole: quoted-printable carries
// it.
func wrapText(b *strings.Builder, indent, s string) {
	n := 0
	for _, w := range strings.Fields(s) {
		switch {
		case n == 0:
			b.WriteString(indent + w)
			n = len(indent) + len(w)
		case n+1+len(w) > width:
			b.WriteString("\r\n" + indent + w)
			n = len(indent) + len(w)
		default:
			b.WriteString(" " + w)
			n += 1 + len(w)
		}
	}
	if n > 0 {
		b.WriteString("\r\n")
	}
}

// layout makes text of what a template has written: each of its lines is a paragraph, which is wrapped with the blanks
// that it begins with. Several empty lines are one, and there is none at the beginning and the end.
func layout(s string) string {
	var b strings.Builder
	empty := false
	for line := range strings.Lines(s) {
		words := strings.TrimLeft(line, " \t")
		indent := line[:len(line)-len(words)]
		if strings.TrimSpace(words) == "" {
			empty = b.Len() > 0
			continue
		}
		if empty {
			b.WriteString("\r\n")
			empty = false
		}
		wrapText(&b, strings.ReplaceAll(indent, "\t", "    "), words)
	}
	return b.String()
}
