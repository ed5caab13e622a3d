package store

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoHotStatementScansATable asks SQLite for the plan of every statement of this package that has a
// row source, with 64 rows: each must step through the rows and look the table up, whatever its size.
func TestNoHotStatementScansATable(t *testing.T) {
	s, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?s)`(WITH \\{r .*?)`(\\+mtColumns\\+`(.*?)`|\\+partColumns\\+`(.*?)`)?")
	n := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		src := strings.ReplaceAll(string(b), "` + mtColumns + `", mtColumns)
		src = strings.ReplaceAll(src, "`+mtColumns+`", mtColumns)
		src = strings.ReplaceAll(src, "` + partColumns + `", partColumns)
		src = strings.ReplaceAll(src, "`+partColumns+`", partColumns)
		for _, m := range text.FindAllStringSubmatch(src, -1) {
			st := parse(m[1])
			q := s.d.render(st, 64)
			args := make([]any, strings.Count(q, "?"))
			rows, err := s.write.Query("EXPLAIN QUERY PLAN "+q, args...)
			if err != nil {
				t.Errorf("%s: %v\n%s", f, err, m[1])
				continue
			}
			n++
			for rows.Next() {
				var a, b, c int
				var line string
				rows.Scan(&a, &b, &c, &line)
				if strings.HasPrefix(line, "SCAN") && !strings.Contains(line, "CONSTANT ROW") && line != "SCAN r" || strings.Contains(line, "AUTOMATIC") {
					t.Errorf("%s: %s\n%s", f, line, m[1])
				}
			}
			rows.Close()
		}
	}
	if n < 30 {
		t.Errorf("only %d statements found", n)
	}
}
