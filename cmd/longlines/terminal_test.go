package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

// hostile is what a stranger may write, in ways that terminals obey: escape sequences in both spellings, a text that
// runs backwards, and the end of a line, behind which stands what looks like another record.
const hostile = "x\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\x7f\u2028\r\nforged\n\tforged\rforged"

// TestATerminalObeysNoStranger: docs/reference/reliability.md T21.
func TestATerminalObeysNoStranger(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.csv")
	if err := os.WriteFile(file, []byte("name,key,secret\na,k,fedcba9876543210\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	const (
		app     = `{"name":X,"key":X,"secret":X,"owner":X,"level":X,"scopes":[X],"short_codes":[X],"redirect_uri":X,"message_listener":X,"wait_for_verdict":X,"promoted_from":X}`
		call    = `{"id":X,"time":"2026-01-01T00:00:00Z","app":X,"operation":X,"code":X,"method":X,"path":X,"status":200},{"id":X,"time":"2026-01-01T00:00:00Z","method":X,"path":X,"status":200}`
		consent = `{"id":X,"app":X,"level":X,"subscriber":X,"scopes":[X],"how":X,"state":X,"revoked_by":X,"given":"2026-01-01T00:00:00Z"}`
		link    = `{"name":X,"host":X,"system_id":X,"bind":X,"network":X,"state":{"phase":X,"alarm":X,"error":X,"binds":[{"kind":X,"up":true,"centre":X}]}}`
		quota   = `{"app":X,"level":X,"api":X}`
		rule    = `{"prefix":X,"link":X,"fallback":X}`
		story   = `{"title":X,"facts":[["text",X],[X,"x"]],"steps":[{"time":"2026-01-01T00:00:00Z","kind":X,"what":X,"detail":X}],"wire":X}`
		text    = `{"id":X,"from":X,"to":X,"text":X,"time":"2026-01-01T00:00:00Z"}`
	)
	for _, c := range []struct{ args, answer string }{
		{"app list", `{"apps":[` + app + `]}`},
		{"app show pizza", app},
		{"app rotate pizza", app},
		{"app import " + file, `{"results":[{"name":X,"key":X,"outcome":X,"reason":X}]}`},
		{"link list", `{"links":[` + link + `]}`},
		{"link show east", link},
		{"link resume east", link},
		{"link test east", `{"ok":true,"steps":[{"name":X,"ok":true,"status":X,"detail":X,"hint":X}]}`},
		{"link create smpp --name a --host h --port 1 --system-id x", link},
		{"route list", `{"routes":[` + rule + `]}`},
		{"route add --prefix +1 --link east", strings.TrimSuffix(rule, "}") + `,"routes":[{"prefix":X,"link":X}]}`},
		{"route test --from 48507 --to +14255550100", `{"link":X,"network":X,"why":[X]}`},
		{"route test --from 48507 --to +14255550101", `{"error":X}`},
		{"send sms --to +14255550100 --text x", `{"id":X}`},
		{"phone list", `{"phones":[{"number":X,"habit":X}]}`},
		{"phone inbox +14255550100", `{"messages":[` + text + `]}`},
		{"phone send --from +14255550100 --to 48507 --text x", text},
		{"quota show", `{"quotas":[` + quota + `]}`},
		{"consent list", `{"consents":[` + consent + `],"next":X}`},
		{"subscriber show +14255550100", `{"number":X,"consents":[` + consent + `],"opt_outs":[{"app":X,"word":X}],"browsers":[{"agent":X,"level":X}]}`},
		{"subscriber optout +14255550100", `{"app":X}`},
		{"logs", `{"requests":[` + call + `],"next":X}`},
		{"audit list", `{"entries":[{"seq":1,"actor":X,"action":X,"object":X,"detail":{"text":X}}],"next":X}`},
		{"audit verify", `{"ok":false,"entries":1,"bad":{"seq":2,"actor":X,"action":X}}`},
		{"explain SMS00000000000000000000000000000000", story},
		{"explain req_0", story},
	} {
		answer := strings.ReplaceAll(c.answer, "X", string(quoted))
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		t.Run(c.args, func(t *testing.T) {
			code, out, errs := at(t, h, strings.Fields(c.args)...)
			if !strings.Contains(out+errs, "forged") || obeyed(out+errs) || strings.Contains("\n"+out+errs, "\nforged") {
				t.Errorf("exit code %d, %q, %q", code, out, errs)
			}
		})
		t.Run(c.args+" as JSON", func(t *testing.T) {
			_, out, _ := at(t, h, append(strings.Fields(c.args), "--output", "json")...)
			var got, want any
			if err := json.Unmarshal([]byte(out), &got); err != nil || obeyed(out) {
				t.Fatalf("%v: %q", err, out)
			}
			if err := json.Unmarshal([]byte(answer), &want); err != nil {
				t.Fatal(err)
			}
			if whole := !strings.HasPrefix(c.args, "app import") && !strings.HasPrefix(c.args, "phone inbox"); whole && !reflect.DeepEqual(got, want) {
				t.Errorf("%q became %q", answer, out)
			}
			if b, err := json.Marshal(got); err != nil || !strings.Contains(string(b), string(quoted)) {
				t.Errorf("%v: %q is not in %s", err, hostile, b)
			}
		})
	}
	t.Run("a refusal", func(t *testing.T) {
		_, out, errs := at(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"title":"t","detail":%s}`, quoted)
		}), "app", "list")
		if out != "" || !strings.Contains(errs, "owned") || obeyed(errs) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q, %q", out, errs)
		}
	})
}

// obeyed reports whether a terminal finds something to obey but blanks and the ends of lines.
func obeyed(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) })
}

func TestWhatPeopleWriteIsShown(t *testing.T) {
	const said = "prix : 5\u00a0€ 🍕 👨\u200d👩\u200d👧 می\u200cخواهم e\u0301 ❤\ufe0f"
	if got := oneLine(said); got != said {
		t.Errorf("%+q became %+q", said, got)
	}
	if got := oneLine("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("what is no UTF-8 became %+q", got)
	}
	if got := string(escaped([]byte(`"` + "\U000e0041\u009b" + `"`))); got != `"\udb40\udc41\u009b"` {
		t.Errorf("%s", got)
	}
}
