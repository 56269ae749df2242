package test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// How much there may be of anything, so that it can be read.
const (
	maxFile     = 500 // lines of a file
	maxFunction = 60  // lines of a function outside of tests, whose tables are long
	leastDoc    = 3   // lines of the comment of a package
)

// TestReadable: files and functions stay short, and every package says what it is. What is exported is documented, be it
// only by its block; methods are by their interface where their type is not exported.
func TestReadable(t *testing.T) {
	docs := map[string]int{} // lines, by directory
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		seen++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, problem := range unreadable(fset, path, text, f) {
			t.Error(problem)
		}
		if !strings.HasSuffix(path, "_test.go") {
			docs[filepath.Dir(path)] += strings.Count(f.Doc.Text(), "\n")
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files were read: %v", seen, err)
	}
	for dir, lines := range docs {
		if lines < leastDoc {
			t.Errorf("%s: what the package is, promises and leaves to others takes more than %d lines", dir, lines)
		}
	}
}

// unreadable says what is too long in a file, or is not explained.
func unreadable(fset *token.FileSet, path string, text []byte, f *ast.File) (problems []string) {
	test := strings.HasSuffix(path, "_test.go")
	say := func(n ast.Node, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: ", fset.Position(n.Pos()))+fmt.Sprintf(format, args...))
	}
	if n := bytes.Count(text, []byte("\n")); n > maxFile && !test {
		say(f, "the file has %d lines", n)
	}
	for _, d := range f.Decls {
		x, ok := d.(*ast.FuncDecl)
		if !ok || test {
			continue
		}
		if n := fset.Position(x.End()).Line - fset.Position(x.Pos()).Line + 1; n > maxFunction {
			say(x, "%s has %d lines", x.Name, n)
		}
		if x.Doc == nil && x.Name.IsExported() && ast.IsExported(receiver(x)) {
			say(x, "%s is not documented", x.Name)
		}
	}
	return problems
}

// receiver is the type that a method is of; of a function, the function's own name.
func receiver(x *ast.FuncDecl) (name string) {
	if x.Recv == nil {
		return x.Name.Name
	}
	ast.Inspect(x.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return name
}

func TestReadableNotices(t *testing.T) {
	long := "package x\n\nfunc (x *X) Long() {\n" + strings.Repeat("\t_ = 1\n", maxFunction) + "}\n" + strings.Repeat("\n", maxFile)
	for path, want := range map[string]int{"x.go": 3, "x_test.go": 0} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, long, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if got := unreadable(fset, path, []byte(long), f); len(got) != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
