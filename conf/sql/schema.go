package sql

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

//go:embed schema
var schemas embed.FS

// Schema returns the statements that make our own tables in a kind of database, those of the migrations after the since-th:
// 0 for all. They may be run again, and say nothing of rows that are there.
func Schema(kind string, since int) (string, error) {
	names, err := fs.Glob(schemas, path.Join("schema", kind, "*.sql")) // Glob sorts
	if err != nil || len(names) == 0 {
		return "", fmt.Errorf("there is no schema for %q", kind)
	}
	var b strings.Builder
	for _, name := range names {
		digits, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return "", err
		}
		if n <= since {
			continue
		}
		text, err := schemas.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "-- migration %d\n%s\n", n, text)
	}
	return b.String(), nil
}
