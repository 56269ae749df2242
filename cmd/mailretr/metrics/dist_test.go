package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The files for Prometheus and Grafana name nothing that this program does not say.
func TestDashboardAndRulesNameWhatThereIs(t *testing.T) {
	exprs := append(rules(t), dashboard(t)...)
	names := New(fixed().House).Names()
	used := map[string]bool{}
	for _, e := range exprs {
		if problem := unknown(names, e, used); problem != "" {
			t.Errorf("%s: %s", e, problem)
		}
	}
	if len(used) < 20 {
		t.Errorf("only %d metrics are used", len(used))
	}
	for _, e := range []string{"mailretr_nothing", "rate(mailretr_queue_messages[5m])", "mailretr_polls_total > 0",
		"mailretr_poll_duration_seconds > 1", "(mailretr_store_up"} {
		if unknown(names, e, used) == "" {
			t.Errorf("%q passes", e)
		}
	}
}

// unknown says what is wrong with an expression: it names what is not there, asks for the rate of what is no counter,
// or shows a counter as it is.
func unknown(names map[string]string, expr string, used map[string]bool) string {
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		return "brackets"
	}
	rated := regexp.MustCompile(`(rate|increase)\(mailretr_\w+(\{[^}]*\})?\[`).FindAllString(expr, -1)
	found := regexp.MustCompile(`mailretr_\w+`).FindAllString(expr, -1)
	counters := 0
	for _, name := range found {
		base := name
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			if b, ok := strings.CutSuffix(name, end); ok && names[b] == "histogram" {
				base = b
			}
		}
		kind := names[base]
		switch {
		case kind == "", kind == "histogram" && base == name:
			return name + " is not there"
		case kind != "gauge":
			counters++
		}
		used[base] = true
	}
	if counters != len(rated) {
		return "a counter wants rate or increase, and nothing else does"
	}
	return ""
}

func rules(t *testing.T) (exprs []string) {
	b, err := os.ReadFile("../dist/prometheus.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil || len(file.Groups) != 1 {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range file.Groups[0].Rules {
		if r.Alert == "" || seen[r.Alert] || r.Labels["severity"] == "" || r.Annotations["summary"] == "" ||
			r.Annotations["description"] == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Alert] = true
		exprs = append(exprs, r.Expr)
	}
	return exprs
}

func dashboard(t *testing.T) (exprs []string) {
	b, err := os.ReadFile("../dist/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Panels) < 12 {
		t.Fatal(err, len(file.Panels))
	}
	for _, p := range file.Panels {
		if p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d shows nothing", p.ID)
		}
		for _, x := range p.Targets {
			exprs = append(exprs, x.Expr)
		}
	}
	return exprs
}
