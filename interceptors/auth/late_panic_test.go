package auth_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// TestALatePanicIsLogged has handlers panic before and after the lease of their
// stream has ended. Afterwards the panic reaches nobody but the log.
func TestALatePanicIsLogged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ late, panics, logged bool }{
		"a panic while the lease runs":       {panics: true},
		"a panic after the lease has ended":  {late: true, panics: true, logged: true},
		"a return after the lease has ended": {late: true},
	} {
		for _, logs := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var log strings.Builder
				w := newWorld(t, streamRule{})
				if logs {
					w.guard.Logger = slog.New(slog.NewTextHandler(&log, nil))
				}
				func() {
					defer func() {
						if p := recover(); (p != nil) != (tt.panics && !tt.late) {
							t.Errorf("Serve panicked with %v", p)
						}
					}()
					err := w.guard.Serve(w.open(), func(ctx context.Context, _ *auth.Stream) error {
						if tt.late {
							w.revocations.revoke("sess_1")
							<-ctx.Done()
						}
						if tt.panics {
							panic("boom")
						}
						return nil
					}, nil)
					if reason, _ := auth.ReasonOf(err); reason != auth.TokenRevoked {
						t.Errorf("Serve = %v; want %v", err, auth.TokenRevoked)
					}
				}()
				if err := w.guard.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := log.String()
				if !tt.logged || !logs {
					if got != "" {
						t.Errorf("logged %q; want nothing", got)
					}
					return
				}
				for _, want := range []string{"procedure=" + watch, "panic=boom", "TestALatePanicIsLogged"} {
					if !strings.Contains(got, want) {
						t.Errorf("logged %q; want %q in it", got, want)
					}
				}
			})
		}
	}
}
