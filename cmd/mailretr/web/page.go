package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"mailretr/cmd/mailretr/signin"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

//go:embed page/*.html
var pageFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

// A page is what every template gets.
type page struct {
	Name   string // of the template
	Title  string
	Who    signin.Who
	Known  bool
	Proxy  bool // one has signed in elsewhere
	Here   string
	Mine   bool   // he has maildrops, or is no admin
	Notice string // what was done just now; "": nothing
	Live   int    // seconds after which a script looks again; 0: never
	Stamp  string // of what is shown, see visit.stamp
	Soon   bool   // something is under way, so that a browser without scripts loads the page again
	Body   any
}

// maxText bounds what is shown of a text that came from elsewhere, in octets.
const maxText = 600

// templates are one for each page, all with the same frame.
var templates = sync.OnceValue(func() map[string]*template.Template {
	all := map[string]*template.Template{}
	frame := template.Must(template.New("frame.html").Funcs(functions).ParseFS(pageFiles, "page/frame.html", "page/part_*.html"))
	files, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name == "frame" || strings.HasPrefix(name, "part_") {
			continue
		}
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(pageFiles, f))
	}
	return all
})

var functions = template.FuncMap{
	"t":    func(key string, args ...any) string { return english().get(key, args...) },
	"file": staticName,
	"size": size,
	"text": func(s string) string { return mail.Printable(s, maxText) },
	"count": func(n any, unit string) (string, error) {
		switch n := n.(type) {
		case int:
			return counted(n, unit), nil
		case int64:
			return counted(n, unit), nil
		}
		return "", fmt.Errorf("%T cannot be counted", n)
	},
}

// show answers with a page.
func (v *visit) show(status int, name, title string, body any) {
	v.render(status, &page{Name: name, Title: title, Body: body})
}

func (v *visit) render(status int, p *page) {
	p.Who, p.Known, p.Here = v.who, v.known, v.r.URL.Path
	p.Proxy = v.known && v.web.Proxy.User != "" && v.front()
	p.Mine = v.known && (!v.who.Admin || len(v.mine()) > 0)
	if p.Notice == "" {
		p.Notice = v.notice()
	}
	var b bytes.Buffer
	if err := templates()[p.Name].ExecuteTemplate(&b, "frame.html", p); err != nil {
		v.fault("a page could not be made", "page", p.Name, "err", err.Error())
		http.Error(v.w, v.texts.get("error.internal"), http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // an error means that nobody waits any more
}

// notice is what a form has done, by the word it left in the address of the page: a text of ours, whatever is there.
func (v *visit) notice() string {
	did := v.r.URL.Query().Get("did")
	switch v.r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return "" // a link from elsewhere has done nothing
	}
	if did == "" {
		return ""
	}
	return v.texts["did."+did]
}

// An asset is a file that browsers may keep, since its name has its hash in it.
type asset struct {
	kind   string
	octets []byte
}

var assets = sync.OnceValue(func() (all struct {
	byName map[string]asset
	names  map[string]string
}) {
	all.byName, all.names = map[string]asset{}, map[string]string{}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	files, err := fs.Glob(staticFiles, "static/*")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		b, err := staticFiles.ReadFile(f)
		if err != nil {
			panic(err)
		}
		sum, ext := sha256.Sum256(b), path.Ext(f)
		base := path.Base(f)
		name := strings.TrimSuffix(base, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		all.byName[name], all.names[base] = asset{kinds[ext], b}, "/static/"+name
	}
	return all
})

func staticName(base string) string { return assets().names[base] }

func static(w http.ResponseWriter, r *http.Request) {
	a, ok := assets().byName[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.octets) // an error means that nobody waits any more
}

// A moment is a time as people see it: how far away it is, and which it is.
type moment struct {
	At       time.Time
	Relative string // "4 minutes ago"; "": there was none
	Exact    string // "Mon 14:05"
}

func (v *visit) moment(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.In(v.at.Location())
	m := moment{At: t, Exact: term.Clock(t, v.at)}
	switch d := t.Sub(v.at); {
	case d > 0:
		m.Relative = v.texts.get("time.in", span(d+time.Second-1))
	case d > -time.Second:
		m.Relative = v.texts.get("time.now")
	default:
		m.Relative = v.texts.get("time.ago", span(-d))
	}
	return m
}

// future is moment for what is to come: what should have been is now.
func (v *visit) future(t time.Time) moment {
	m := v.moment(t)
	if !t.IsZero() && !t.After(v.at) {
		m.Relative = v.texts.get("time.now")
	}
	return m
}

// span is a duration in words, in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return counted(int(d/time.Second), "second")
	case d < time.Hour:
		return counted(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return counted(int(d/time.Hour), "hour")
	}
	return counted(int(d/(24*time.Hour)), "day")
}

// counted is a number with its word: unit.KEY.one and unit.KEY.many of the texts.
func counted[N int | int64](n N, unit string) string {
	if n == 1 {
		return english().get("unit." + unit + ".one")
	}
	return english().get("unit."+unit+".many", grouped(int64(n)))
}

// grouped writes a large number with thin spaces between its thousands.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// size writes octets for people: "712 B", "4.0 kB" of 1024.
func size(n int64) string {
	s := term.Size(n)
	if last := s[len(s)-1]; last >= 'A' && last <= 'Z' {
		return s[:len(s)-1] + "\u00a0" + string(last) + "B"
	}
	return s + "\u00a0B"
}
