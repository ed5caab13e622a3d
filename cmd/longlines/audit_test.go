package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"longlines/api/adminv1"
)

func TestAuditVerifyNamesTheEntryThatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ name, answer, say string }{
		{"one that was altered", `{"ok":false,"entries":6,"bad":{"seq":7,"time":"2026-11-25T01:02:03Z","actor":"admin","action":"DELETE /admin/v1/apps/{name}","hash":""}}`,
			"entry 7 (2026-11-25T01:02:03Z, DELETE /admin/v1/apps/{name}) does not fit"},
		{"an end that was cut off", `{"ok":false,"entries":6,"bad":{"seq":7,"time":"0001-01-01T00:00:00Z","actor":"","action":"","hash":""}}`,
			"entry 7 is missing: the audit log was cut off after 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/admin/v1/audit/verify" {
					t.Errorf("asked for %s", r.URL)
				}
				fmt.Fprint(w, c.answer)
			})
			for _, format := range []string{"table", "json"} {
				code, out, errs := at(t, answer, "audit", "verify", "--output", format)
				if code != exitFailed || !strings.Contains(errs, c.say) || json.Valid([]byte(out)) != (format == "json") {
					t.Errorf("%s: exit code %d, %q, %q", format, code, out, errs)
				}
			}
		})
	}
}

func TestAnImportThatBreaksOffSaysHowFarItCame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.csv")
	doc := "name,key,secret\n"
	for i := range adminv1.MaxImportBatch + 5 {
		doc += fmt.Sprintf("a%d,k%d,fedcba9876543210\n", i, i)
	}
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := 0
	code, out, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var in struct{ Apps []struct{ Name, Key string } }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		var results []map[string]string
		for _, a := range in.Apps {
			results = append(results, map[string]string{"name": a.Name, "key": a.Key, "outcome": "created"})
		}
		json.NewEncoder(w).Encode(map[string]any{"results": results})
	}), "app", "import", file)
	if want := fmt.Sprintf("%d of %d apps were looked at", adminv1.MaxImportBatch, adminv1.MaxImportBatch+5); code != exitUnreachable || out != "" || !strings.Contains(errs, want) {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
}
