package sqlite_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func TestAFileThatIsPutBackIsUsedAgain(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/ostiary.db"
	s := open(t, path)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, store.ErrGone) || !strings.Contains(err.Error(), "put "+path+" back, or restart the server") {
		t.Errorf("without the file: %v; want ErrGone, and what to do", err)
	}
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revocations(t.Context(), store.RevocationListing{}, 10); err != nil {
		t.Errorf("with the file: %v", err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("with the file: %v", err)
	}
}

// What is written to a file that was removed is lost when the process ends.
func TestAFileThatIsGoneKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, path string) {
			t.Helper()
			if err := open(t, path+".new").Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/ostiary.db"
			s := open(t, path)
			if !s.Created() {
				t.Error("it is not new")
			}
			revoke := func() error {
				_, err := s.SaveRevocations(t.Context(), []store.Revocation{{Target: store.Target{Kind: "session"}, ExpiresAt: time.Now()}}, nil)
				return err
			}
			if err := revoke(); err != nil {
				t.Fatal(err)
			}
			if open(t, path).Created() {
				t.Error("it is new when it is opened again")
			}
			remove(t, path)
			_, read := s.Revocations(t.Context(), store.RevocationListing{}, 10)
			for method, err := range map[string]error{"SaveRevocations": revoke(), "Revocations": read} {
				if !errors.Is(err, store.ErrGone) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v; want ErrGone, and the path", method, err)
				}
			}
		})
	}
}
