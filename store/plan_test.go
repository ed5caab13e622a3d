package store

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"longlines/app"
	"longlines/app/apptest"
	"longlines/audit"
	"longlines/gateway"
	"longlines/oauth"
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
	if n < 35 {
		t.Errorf("only %d statements found", n)
	}
}

// TestNoReadOfOneScansATable asks SQLite for the plan of what is read for one token, person, app or
// request: none may walk a table or sort what it has found.
func TestNoReadOfOneScansATable(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{})
	const m = "14255550100"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, read := range []func() error{
		func() error { _, _, err := s.Token(ctx, 1); return err },
		func() error { _, _, err := s.Code(ctx, 1); return err },
		func() error { _, _, err := s.Pushed(ctx, 1); return err },
		func() error { _, _, err := s.Consent(ctx, apptest.Tenant(1), m); return err },
		func() error { _, err := s.Consents(ctx, oauth.ConsentFilter{Before: 1}); return err },
		func() error { _, err := s.Consents(ctx, oauth.ConsentFilter{Subscriber: m}); return err },
		func() error { _, err := s.Consents(ctx, oauth.ConsentFilter{App: 1, InForce: true}); return err },
		func() error { _, err := s.ConsentsOf(ctx, app.LevelSandbox, m, 0, 9); return err },
		func() error { _, err := s.Message(ctx, apptest.Tenant(1), 1); return err },
		func() error { _, err := s.Pending(ctx, apptest.Tenant(1), "48507"); return err },
		func() error { _, _, err := s.SavedAnswer(ctx, apptest.Tenant(1), "POST /x", "k"); return err },
		func() error { _, _, err := s.Session(ctx, 1); return err },
		func() error { _, err := s.Sessions(ctx, app.LevelSandbox, m); return err },
		func() error { _, _, err := s.Request(ctx, 1); return err },
		func() error { _, err := s.Requests(ctx, gateway.RequestFilter{App: 1}, 0, 9); return err },
		func() error { _, err := s.Audit(ctx, audit.Filter{Object: "x"}); return err },
		func() error { _, err := s.Audit(ctx, audit.Filter{Actor: "x"}); return err },
	} {
		must(read())
	}
	n := 0
	s.reads.Range(func(text, _ any) bool {
		q := text.(string)
		rows, err := s.write.Query("EXPLAIN QUERY PLAN "+q, make([]any, strings.Count(q, "?"))...)
		must(err)
		defer rows.Close()
		for rows.Next() {
			var a, b, c int
			var line string
			must(rows.Scan(&a, &b, &c, &line))
			if strings.HasPrefix(line, "SCAN") && line != "SCAN q" || strings.Contains(line, "TEMP B-TREE") || strings.Contains(line, "AUTOMATIC") {
				t.Errorf("%s\n%s", line, q)
			}
		}
		n++
		return true
	})
	if n < 12 {
		t.Errorf("only %d statements", n)
	}
}
