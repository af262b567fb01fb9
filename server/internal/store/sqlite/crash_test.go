package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// writerOf names the database for a writer, in its environment.
const writerOf = "OSTIARY_TEST_WRITER_OF"

// writeUntilKilled revokes without end, and prints the sequence of each
// revocation that the store has acknowledged.
func writeUntilKilled(path string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path)
	for i := 0; err == nil; i++ {
		var saved []store.Revocation
		saved, err = s.SaveRevocations(ctx, []store.Revocation{{
			Target: store.Target{Kind: "session", Issuer: "https://clerk.example.com", Value: fmt.Sprint("sess_", i)}, ExpiresAt: time.Now().Add(time.Hour),
		}}, nil)
		if err == nil {
			fmt.Fprintln(os.Stdout, saved[0].Sequence, saved[0].Target.Value)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestAcknowledgedWritesSurviveAKilledProcess(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/ostiary.db"
	acknowledged := make(map[string]bool)
	for range 3 { // the second and third open what a killed one left behind
		writer := exec.CommandContext(t.Context(), os.Args[0])
		writer.Env = append(os.Environ(), writerOf+"="+path)
		writer.Stderr = os.Stderr
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged[lines.Text()] = true
			if n == 20 {
				_ = writer.Process.Kill() // SIGKILL, in the middle of whatever comes next
			}
		}
		_ = writer.Wait()
	}
	if len(acknowledged) < 60 {
		t.Fatalf("the writers acknowledged %d revocations; want at least 60", len(acknowledged))
	}
	kept, err := open(t, path).Revocations(t.Context(), store.RevocationListing{}, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range kept {
		delete(acknowledged, fmt.Sprint(r.Sequence, " ", r.Target.Value))
	}
	if len(acknowledged) > 0 {
		t.Errorf("of %d kept revocations, these are missing: %v", len(kept), acknowledged)
	}
}

// BenchmarkSaveRevocations says what durability costs: mostly the time in which
// the disk syncs. Many are alike, as those of a subject's sessions are.
func BenchmarkSaveRevocations(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), b.TempDir()+"/ostiary.db")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			batch, expires := make([]store.Revocation, size), time.Now().Add(time.Hour)
			for i := range batch {
				batch[i] = store.Revocation{Target: store.Target{Kind: "session", Issuer: "https://clerk.example.com", Value: fmt.Sprint("sess_", i)}, ExpiresAt: expires}
			}
			for b.Loop() {
				if _, err := s.SaveRevocations(b.Context(), batch, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
