package outbox

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// killedIn names the database for a process that is killed, and killedAt the address of
// Clerk, or none if it is killed before it calls.
const (
	killedIn = "OSTIARY_TEST_KILLED_IN"
	killedAt = "OSTIARY_TEST_KILLED_AT"
)

// workUntilKilled ends a session here, says so, and then works at ending it at its issuer.
func workUntilKilled(path, url string) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path)
	now := time.Now()
	if err == nil {
		_, err = db.SaveRevocations(ctx, []store.Revocation{{Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "sess_1"}, ExpiresAt: now.Add(time.Hour)}}, nil,
			store.SignOut{Issuer: someIssuer, SessionID: "sess_1", Subject: someSubject, CreatedAt: now, DueAt: now, ExpiresAt: now.Add(time.Hour)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if url != "" {
		Start(ctx, Config{
			Store: db, Enders: map[string]Ender{someIssuer: NewClerk(ClerkConfig{SecretKey: secretKey, URL: url})},
			Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
	}
	fmt.Fprintln(os.Stdout, "revoked")
	select {}
}

func (b *bench) quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestASessionIsEndedAlsoIfTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	for name, calls := range map[string]bool{"between its revocation and the call": false, "while Clerk does it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "sess_1")
			path := t.TempDir() + "/ostiary.db"
			done, killed := make(chan struct{}), make(chan struct{})
			b.clerk.setAfter(func() {
				close(done)
				<-killed
			})
			process := exec.CommandContext(t.Context(), os.Args[0])
			process.Env = append(os.Environ(), killedIn+"="+path)
			if calls {
				process.Env = append(process.Env, killedAt+"="+b.clerk.URL)
			}
			process.Stderr = os.Stderr
			out, err := process.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			if !bufio.NewScanner(out).Scan() {
				t.Fatal("the process has not revoked the session")
			}
			if calls {
				<-done
			}
			_ = process.Process.Kill() // SIGKILL
			close(killed)
			_ = process.Wait()

			b.clerk.setAfter(nil) // once the handler of the first call has returned
			b.db = openDB(t, path)
			b.time = time.Now().Add(lease)
			next := b.another(t)
			next.round(t.Context())
			if got := b.clerk.status("sess_1"); got != "revoked, asked 1 times" {
				t.Error(got)
			}
			if s := b.kept(t, "sess_1"); !s.Ended() {
				t.Errorf("%+v; want it ended", s)
			}
		})
	}
}
