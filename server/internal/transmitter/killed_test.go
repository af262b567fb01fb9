package transmitter

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/sqlite"
)

// killedIn names the database for a process that is killed.
const killedIn = "OSTIARY_TEST_KILLED_IN"

// sendUntilKilled sends what the database has.
func sendUntilKilled(path string) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	Start(ctx, Config{
		Issuer: someIssuer, AllowPrivate: true, Store: db, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Latest: func() store.Revocation { return store.Revocation{} }, Changed: func() <-chan struct{} { return nil },
	})
	fmt.Fprintln(os.Stdout, "sending")
	select {}
}

func TestNothingIsMissedIfTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ostiary.db")
	b := benchOf(t, path)
	b.time = time.Now() // which is that of the other process
	r := newReceiver(t)
	idle := b.start()
	b.owner(idle, "one").create(r)
	idle.Close()

	const events, before = 200, 40
	b.revoke(names(0, events)...)
	reached, killed := make(chan struct{}), make(chan struct{})
	var count atomic.Int64
	r.set(func(_ http.ResponseWriter, req *http.Request, _ received) bool {
		switch n := count.Add(1); {
		case n == before:
			close(reached)
		case n < before:
			return false
		}
		<-killed
		return false // it has the event, and the process that sent it does not know that
	})
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), killedIn+"="+path)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the process does not send")
	}
	<-reached
	_ = process.Process.Kill() // SIGKILL
	_ = process.Wait()
	close(killed)
	r.set(nil)

	b.mu.Lock()
	b.time = time.Now().Add(lease) // when its claim has ended
	b.mu.Unlock()
	b.start()
	r.sent(t, names(0, events))
	b.settled(t)
	if again := r.count() - events; again > 2*atOnce {
		t.Errorf("%d events were sent again; want those of the last attempt", again)
	}
	ids := make(map[any]string)
	for _, event := range r.events {
		if known := ids[event.claims["jti"]]; known != "" && known != event.about() {
			t.Errorf("%s and %s have one jti", known, event.about())
		}
		ids[event.claims["jti"]] = event.about()
	}
	if len(ids) != events {
		t.Errorf("%d jti; want one for each of %d events, also when it is sent again", len(ids), events)
	}
}
