package longlines

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ranks is the direction of imports: a package imports only packages of a lower rank. A ring of
// packages is the one mistake that cannot be tidied later. A path ending in / stands for the folders
// below it.
var ranks = map[string]int{
	"id": 0, "number": 0, "gsm": 0, "fault": 0, "smpp": 0, "timeline": 0, "quota": 0, "queue": 0, "audit": 0,
	"message": 1, "wire": 1, "app": 1,
	"callback": 2, "oauth": 2,
	"sms": 3, "route": 3, "gateway": 3,
	"api/": 4, "south/": 4, "store": 4, "console": 4,
	"":     5,
	"cmd/": 6,
	// Exercise suites and the tests of the whole: imported only by tests.
	"store/": 7, "quota/": 7, "test/": 7,
	// And what they build upon. Only here a tenant comes from a number.
	"app/apptest": 6,
}

// aside lists what the virtual network may import: words and standards and itself. It cannot import
// the product, so it cannot cheat.
var aside = map[string]bool{"number": true, "gsm": true, "message": true, "smpp": true}

// sameRank lists the pairs of equal rank that may meet, and why.
var sameRank = map[[2]string]bool{
	{"api/oauthv4", "api/oauthv4/page"}:      true, // the flow and its looks
	{"queue", "id"}:                          true, // jobs are rows, and rows have numbers
	{"cmd/longlines", "cmd/longlines/bench"}: true, // one command in two folders
}

func rank(pkg string) (int, bool) {
	if r, ok := ranks[pkg]; ok {
		return r, true
	}
	for dir, r := range ranks {
		if strings.HasSuffix(dir, "/") && strings.HasPrefix(pkg+"/", dir) {
			return r, true
		}
	}
	return 0, false
}

func TestImportsPointDownwards(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = ""
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		for _, spec := range f.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			imp, ours := strings.CutPrefix(p, "longlines/")
			if p == "longlines" {
				imp, ours = "", true
			}
			if !ours {
				continue
			}
			if pkg == "sandbox" || strings.HasPrefix(pkg, "sandbox/") {
				if !aside[imp] && imp != "sandbox" && !strings.HasPrefix(imp, "sandbox/") {
					t.Errorf("%s imports %s: the virtual network may import only words and standards", path, imp)
				}
				continue
			}
			if imp == "sandbox" || strings.HasPrefix(imp, "sandbox/") {
				if pkg != "" {
					t.Errorf("%s imports %s: only the root knows the virtual network", path, imp)
				}
				continue
			}
			from, ok1 := rank(pkg)
			to, ok2 := rank(imp)
			if !ok1 || !ok2 {
				t.Errorf("%s imports %s: a package without a rank; give it one here", path, imp)
				continue
			}
			if to >= from && !sameRank[[2]string{pkg, imp}] {
				t.Errorf("%s (rank %d) imports %s (rank %d)", path, from, imp, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files read: is this the root of the module?", seen)
	}
}
