package longlines_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	heading  = regexp.MustCompile(`(?m)^#+ (\d+(?:\.\d+)*)\b`)
	citation = regexp.MustCompile(`([a-z-]+\.md) §§?(\d+(?:\.\d+)*)`)
	newLine  = regexp.MustCompile(`\n\s*(?://|--|#)?\s*`)
)

// A comment that cites a section of a page leads somewhere.
func TestEverySectionThatIsCitedExists(t *testing.T) {
	sections := map[string]map[string]bool{}
	for _, dir := range []string{"docs", "docs/reference"} {
		pages, err := filepath.Glob(dir + "/*.md")
		if err != nil || len(pages) == 0 {
			t.Fatal(dir, err)
		}
		for _, path := range pages {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			of := map[string]bool{}
			for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
				of[m[1]] = true
			}
			sections[filepath.Base(path)] = of
		}
	}
	cited := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".md" && ext != ".sql" && ext != ".css" && ext != ".html" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range citation.FindAllStringSubmatch(newLine.ReplaceAllString(string(text), " "), -1) {
			cited++
			if of, ok := sections[m[1]]; !ok {
				t.Errorf("%s cites %s, which is no page of docs", path, m[1])
			} else if !of[m[2]] {
				t.Errorf("%s cites %s §%s, which does not exist", path, m[1], strings.TrimSpace(m[2]))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cited < 100 {
		t.Errorf("only %d citations were found", cited)
	}
}
