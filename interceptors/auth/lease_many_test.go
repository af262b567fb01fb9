package auth_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A longStream is one of many.
type longStream struct {
	session int
	ended   <-chan error
	close   context.CancelFunc
	until   time.Time // when it is to end; zero once it has
}

// One of two streams of a session is opened with the token from before a refresh, the
// other with the token from after it.
func TestNoRenewalIsLostWhileStreamsOpenConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		opened, old := time.Now(), issued(0)
		pass(20 * time.Second)
		fresh := issued(0)
		first, second := w.call(old, watch, auth.BidiStream), w.call(fresh, watch, auth.BidiStream)
		ended := w.serveIn(first, idle)
		other := w.serveIn(second, idle)
		w.ping(fresh)
		if err := <-ended; err == nil || time.Since(opened) != 85*time.Second {
			t.Errorf("the stream of the old token ended after %v; want 85s, as the fresh one has come", time.Since(opened))
		}
		if err := <-other; err == nil {
			t.Error("a stream that was to end ended without an error")
		}
	})
}

func TestAnOpeningStreamTakesOverATokenThatIsStillValid(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile func(*world)
		want      string
	}{
		"which it does":       {func(*world) {}, "admin"},
		"it has expired":      {func(*world) { pass(10 * time.Minute) }, "reader"},
		"it has been revoked": {func(w *world) { w.revocations.revoke("token_2") }, "reader"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{})
				long := issued(0)
				long.ExpiresAt = time.Now().Add(time.Hour)
				pass(time.Second)
				short := issued(0)
				short.TokenID, short.Roles = "token_2", []string{"admin"}
				// One that is admitted with a newer token still, but begins later.
				survive, end := context.WithCancel(w.call(issued(time.Hour), watch, auth.BidiStream))
				stay, leave := context.WithCancel(w.call(long, watch, auth.BidiStream))
				stays := w.serveIn(stay, idle)
				w.ping(short)
				survives := w.serveIn(survive, idle)
				tt.meanwhile(w)
				ended := w.serve(long, func(ctx context.Context) error {
					if id, _ := auth.CurrentIdentity(ctx); id == nil || id.Roles[0] != tt.want {
						t.Errorf("the handler sees %+v; want the %s", id, tt.want)
					}
					return nil
				})
				if err := <-ended; err != nil {
					t.Error(err)
				}
				leave()
				end()
				if err := <-stays; err == nil {
					t.Error("a stream that was to end ended without an error")
				}
				if err := <-survives; err == nil {
					t.Error("a stream that was to end ended without an error")
				}
			})
		})
	}
}

// Streams are opened, renewed and closed in any order.
func TestEachOfManyStreamsEndsInItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count, sessions = 300, 100
		random := rand.New(rand.NewPCG(1, 2))
		w := newWorld(t, streamRule{})
		start := time.Now()
		presented := 0
		present := func(session int) *auth.Identity {
			presented++
			id := issued(0)
			id.SessionID = strconv.Itoa(session)
			id.IssuedAt = start.Add(time.Duration(presented) * time.Second)
			id.ExpiresAt = start.Add(time.Duration(60+random.IntN(600)) * time.Second)
			return id
		}
		streams := make([]*longStream, count)
		for i := range streams {
			id := present(i % sessions)
			streams[i] = &longStream{session: i % sessions, until: id.ExpiresAt.Add(id.Leeway)}
			streams[i].ended, streams[i].close = w.closable(id)
			// Whatever is open of the session is renewed by the next of its tokens.
			renew(streams[:i], id)
		}
		for range count {
			switch s := streams[random.IntN(count)]; {
			case s.until.IsZero():
			case random.IntN(2) == 0:
				s.close()
				synctest.Wait()
				s.until = time.Time{}
			default:
				id := present(s.session)
				w.ping(id)
				renew(streams, id)
			}
		}
		for ; time.Since(start) < 700*time.Second; pass(time.Second) {
			synctest.Wait()
			for _, s := range streams {
				s.check(t)
			}
		}
	})
}

// renew puts off the end of what the identity renews.
func renew(streams []*longStream, id *auth.Identity) {
	for _, s := range streams {
		if until := id.ExpiresAt.Add(id.Leeway); strconv.Itoa(s.session) == id.SessionID && s.until.Before(until) && !s.until.IsZero() {
			s.until = until
		}
	}
}

func (s *longStream) check(t *testing.T) {
	t.Helper()
	if s.until.IsZero() {
		return
	}
	reason, _ := refusalOf(s.ended)
	switch due := !time.Now().Before(s.until); {
	case due && reason != auth.TokenExpired:
		t.Fatalf("a stream ended with %v; want %v at %v", reason, auth.TokenExpired, s.until)
	case !due && reason != goesOn:
		t.Fatalf("a stream ended with %v before %v", reason, s.until)
	case due:
		s.until = time.Time{}
	}
}
