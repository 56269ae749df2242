package web

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// sound looks at a page as a checker of accessibility and a policy of scripts would: it holds for every page that any test
// has seen.
func sound(t testing.TB, path, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p := &pageCheck{ids: map[string]int{}, labels: map[string]bool{}}
	p.walk(root)
	if p.h1 != 1 || p.main != 1 || p.lang == "" || strings.TrimSpace(p.title) == "" {
		t.Errorf("%s: %d h1, %d main, lang %q, title %q", path, p.h1, p.main, p.lang, p.title)
	}
	for id, n := range p.ids {
		if n > 1 {
			t.Errorf("%s: id %q is there %d times", path, id, n)
		}
	}
	for _, x := range p.inputs {
		if !p.labels[x] {
			t.Errorf("%s: the input %q has no label", path, x)
		}
	}
	for _, x := range p.wrong {
		t.Errorf("%s: %s", path, x)
	}
	if strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "%!") {
		t.Errorf("%s: something was not written as it should be", path)
	}
}

type pageCheck struct {
	h1, main    int
	lang, title string
	ids         map[string]int
	labels      map[string]bool
	inputs      []string
	wrong       []string
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func words(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(words(c))
	}
	return b.String()
}

func (p *pageCheck) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		p.element(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.walk(c)
	}
}

func (p *pageCheck) element(n *html.Node) {
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
			p.wrong = append(p.wrong, "an attribute "+a.Key+" that the policy forbids")
		}
		if (a.Key == "href" || a.Key == "src" || a.Key == "action") && strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
			p.wrong = append(p.wrong, "a script in an address")
		}
	}
	id, _ := attr(n, "id")
	if id != "" {
		p.ids[id]++
	}
	switch n.Data {
	case "h1":
		p.h1++
	case "main":
		p.main++
	case "html":
		p.lang, _ = attr(n, "lang")
	case "title":
		if n.Parent.Data == "head" {
			p.title = words(n)
		}
	case "label":
		if of, ok := attr(n, "for"); ok {
			p.labels[of] = true
		}
	case "script", "iframe", "object", "embed", "style", "base":
		if src, _ := attr(n, "src"); n.Data != "script" || !strings.HasPrefix(src, "/static/") || words(n) != "" {
			p.wrong = append(p.wrong, "a "+n.Data)
		}
	case "img":
		p.wrong = append(p.wrong, "an image")
	case "input", "select", "textarea":
		p.input(n, id)
	case "button", "a", "summary":
		if label, _ := attr(n, "aria-label"); strings.TrimSpace(words(n))+label == "" {
			p.wrong = append(p.wrong, "a "+n.Data+" without a word")
		}
	case "th":
		if _, ok := attr(n, "scope"); !ok {
			p.wrong = append(p.wrong, "a th without scope")
		}
	case "table":
		if !hasChild(n, "caption") {
			p.wrong = append(p.wrong, "a table without a caption")
		}
	}
}

func hasChild(n *html.Node, name string) bool {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && c.Data == name {
			return true
		}
	}
	return false
}

func (p *pageCheck) input(n *html.Node, id string) {
	if kind, _ := attr(n, "type"); kind == "hidden" {
		return
	}
	if label, _ := attr(n, "aria-label"); label != "" || n.Parent.Data == "label" {
		return
	}
	p.inputs = append(p.inputs, id)
}
