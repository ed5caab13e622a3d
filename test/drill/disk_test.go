package drill

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fill writes until there is no space left but keep, and returns the file.
func fill(t *testing.T, dir string, keep uint64) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1 << 10} {
		b := make([]byte, size)
		for {
			var fs syscall.Statfs_t
			if err := syscall.Statfs(dir, &fs); err != nil {
				t.Fatal(err)
			}
			if keep > 0 && fs.Bavail*uint64(fs.Bsize) < keep+uint64(size) {
				break
			}
			if _, err := f.Write(b); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
				break
			}
		}
	}
	return path
}

// A full disk is a refusal and not a loss (docs/reference/reliability.md P4).
func TestAFullDiskIsRefusalAndNotLoss(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			t.Fatalf("a small file system cannot be mounted, and in CI, as root, it must be: %v", err)
		}
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	data := filepath.Join(dir, "data")
	w := run(t, "--data", data, "--smsc-listen", "127.0.0.1:0")
	token := w.app("pizza", map[string]any{"short_codes": []string{"74992"}})
	doomed, spare := w.token("pizza"), w.token("pizza")
	var accepted []string
	for range 20 {
		accepted = append(accepted, messageID(t, w.send(token, "+14255550100", "before")))
	}
	filler := fill(t, dir, 512<<10) // half of what the platform keeps for what must go on
	var refusal answer
	await(t, "a send is refused", func() bool {
		a := w.send(token, "+14255550100", "into a full disk")
		if a.status == http.StatusCreated {
			accepted = append(accepted, messageID(t, a)) // into space that the log had already
			return false
		}
		refusal = a
		return true
	})
	check := func(a answer, accept string) {
		t.Helper()
		if why := ours(a, outbox, accept); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "SVC0001") || a.header.Get("Retry-After") == "" || why != "" {
			t.Errorf("a refusal for a full disk: %s %d %v %s", why, a.status, a.header, a.body)
		}
	}
	check(refusal, "")
	for range 20 {
		check(w.send(token, "+14255550100", "x"), "")
		check(w.send(token, "+14255550100", "x", "Accept", "application/xml"), "xml")
		check(w.send(token, "+14255550100", "x", "Idempotency-Key", "disk"), "")
	}
	if a := w.do(http.MethodGet, w.info.Admin+"/readyz", ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	if a := w.do(http.MethodGet, w.info.Admin+"/livez", ""); a.status != http.StatusOK {
		t.Errorf("/livez: %d %s", a.status, a.body)
	}
	if a := w.do(http.MethodGet, w.info.API+outbox+"/"+accepted[0], "", "Authorization", "Bearer "+token); a.status != http.StatusOK {
		t.Errorf("a read: %d %s", a.status, a.body)
	}
	revoked := w.do(http.MethodPost, w.info.API+"/oauth/v4/revoke", url.Values{"client_id": {"pizza-key"}, "client_secret": {"pizza-secret-0123456789"},
		"token": {doomed}, "token_type_hint": {"access_token"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if revoked.status != http.StatusOK {
		t.Errorf("a revoke: %d %s", revoked.status, revoked.body)
	}
	if a := w.do(http.MethodGet, w.info.API+outbox+"/"+accepted[0], "", "Authorization", "Bearer "+doomed); a.status != http.StatusUnauthorized {
		t.Errorf("the revoked token: %d %s", a.status, a.body)
	}
	// To the last octet, which only somebody else can have done: the ballast is given up for it.
	fill(t, dir, 0)
	last := w.do(http.MethodPost, w.info.API+"/oauth/v4/revoke", url.Values{"client_id": {"pizza-key"}, "client_secret": {"pizza-secret-0123456789"},
		"token": {spare}, "token_type_hint": {"access_token"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if last.status != http.StatusOK {
		t.Errorf("a revoke on a disk without an octet left: %d %s", last.status, last.body)
	}
	check(w.send(token, "+14255550100", "x"), "")
	if a := w.do(http.MethodGet, w.info.API+outbox+"/"+accepted[0], "", "Authorization", "Bearer "+spare); a.status != http.StatusUnauthorized {
		t.Errorf("the token revoked with the last octet gone: %d %s", a.status, a.body)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await(t, "sends are accepted again", func() bool {
		a := w.send(token, "+14255550100", "after")
		if a.status == http.StatusCreated {
			accepted = append(accepted, messageID(t, a))
			return true
		}
		check(a, "")
		return false
	})
	await(t, "it is ready", func() bool { return w.do(http.MethodGet, w.info.Admin+"/readyz", "").status == http.StatusOK })
	w.kill()
	w = run(t, "--data", data, "--smsc-listen", "127.0.0.1:0")
	for _, id := range accepted {
		// The virtual centre died too: a receipt that it owed does not come any more.
		await(t, id+" is there", func() bool { s := w.status(token, id); return s == "DeliveredToTerminal" || s == "DeliveredToNetwork" })
	}
	if a := w.do(http.MethodGet, w.info.API+outbox+"/"+accepted[0], "", "Authorization", "Bearer "+doomed); a.status != http.StatusUnauthorized {
		t.Errorf("the token that was revoked on a full disk: %d %s", a.status, a.body)
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
