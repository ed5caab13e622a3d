//go:build linux || darwin

package store

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"longlines/fault"
)

// exhaust takes all file descriptors of the process until they are given back.
func exhaust(t *testing.T) (back func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = min(64, was.Cur)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	back = sync.OnceFunc(func() {
		for _, f := range files {
			f.Close()
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(back)
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			return back
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
}

func TestWithoutAFreeFileDescriptorTheStoreGoesOn(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{OnFatal: func(err error) { t.Errorf("the store ended: %v", err) }})
	back := exhaust(t)
	for range readers { // all at once
		conn, err := s.read.Conn(ctx)
		if err != nil {
			t.Fatalf("a reader was not open: %v", err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "SELECT count(*) FROM mt"); err != nil {
			t.Error(err)
		}
	}
	if _, err := accept(ctx, s, "without"); err != nil {
		t.Error(err)
	}
	back()
}

func TestAReaderThatCannotBeOpenedForWantOfAFileDescriptorIsNoDamage(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, Config{OnFatal: func(err error) { t.Errorf("the store ended: %v", err) }})
	n, err := accept(ctx, s, "before")
	if err != nil {
		t.Fatal(err)
	}
	s.read.SetMaxIdleConns(-1) // none is open now
	back := exhaust(t)
	if m, err := s.MT(ctx, n); err == nil {
		t.Fatalf("read %+v; it was to have no file descriptor", m)
	}
	if _, err := accept(ctx, s, "without"); err != nil {
		t.Errorf("writing meanwhile: %v", err)
	}
	back()
	if m, err := s.MT(ctx, n); err != nil || m.Text != "before" {
		t.Errorf("read afterwards: %+v, %v", m, err)
	}
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsGoneEndsAllAcknowledgements(t *testing.T) {
	for name, harm := range map[string]func(dir, file string) error{
		"removed":   func(_, file string) error { return os.Remove(file) },
		"moved":     func(dir, _ string) error { return os.Rename(dir, dir+".old") },
		"no longer": func(dir, _ string) error { return os.RemoveAll(dir) },
		"replaced": func(_, file string) error {
			return errors.Join(os.WriteFile(file+".new", nil, 0o600), os.Rename(file+".new", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			fatal := make(chan error, 1)
			s := openTest(t, Config{Dir: filepath.Join(t.TempDir(), "data"), OnFatal: func(err error) { fatal <- err }})
			if _, err := accept(ctx, s, "before"); err != nil {
				t.Fatal(err)
			}
			if err := harm(s.dir, s.file); err != nil {
				t.Fatal(err)
			}
			if _, err := accept(ctx, s, "after"); !errors.Is(err, fault.Unavailable) {
				t.Fatalf("accepted into a file that nobody will open again: %v", err)
			}
			if err := <-fatal; !errors.Is(err, errGone) {
				t.Errorf("OnFatal heard %v", err)
			}
			if s.Writable() == nil {
				t.Error("still writable")
			}
		})
	}
}
