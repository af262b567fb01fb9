package auth_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// user is a token of a user in a session of its own.
func user(issuer, subject, session string) *auth.Identity {
	id := issued(0)
	id.Issuer, id.Subject, id.SessionID = issuer, subject, session
	return id
}

func TestASubjectHasAsManyStreamsAsAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		w.guard.MaxStreamsPerSubject = 2
		wantRefused := func(name string, ended <-chan error) {
			t.Helper()
			if len(ended) != 1 {
				t.Fatalf("%s: the stream is served; want %v", name, auth.TooManyStreams)
			}
			refusal := auth.AsError(<-ended)
			if refusal.Reason != auth.TooManyStreams || refusal.RetryInfo() != nil {
				t.Errorf("%s: %v, retry %v; want %v, which to wait does not help", name, refusal, refusal.RetryInfo(), auth.TooManyStreams)
			}
		}
		var closes []context.CancelFunc
		wantServed := func(name string, id *auth.Identity) {
			t.Helper()
			ended, cancel := w.closable(id)
			if closes = append(closes, cancel); len(ended) > 0 {
				t.Errorf("%s: %v; want that the stream is served", name, <-ended)
			}
		}
		ada := user("https://one.test", "ada", "sess_1")
		wantServed("the first", ada)
		wantServed("the second, of another session", user("https://one.test", "ada", "sess_2"))
		third, cancel := w.closable(user("https://one.test", "ada", "sess_3"))
		closes = append(closes, cancel)
		wantRefused("the third", third)
		if refusals := w.refusals(); len(refusals) != 1 || refusals[0].Identity == nil || refusals[0].Refusal.Reason != auth.TooManyStreams || refusals[0].Ended {
			t.Errorf("the observer saw %v; want the one refusal, with whom it was for", refusals)
		}
		wantServed("one of another subject", user("https://one.test", "bob", "sess_4"))
		wantServed("one of that name at another issuer", user("https://two.test", "ada", "sess_5"))
		wantServed("one without a token", nil)
		closes[0]()
		synctest.Wait()
		wantServed("one more when another was closed", ada)
		w.revocations.revoke("sess_2")
		synctest.Wait()
		wantServed("one more when another was ended", ada)
		ended, cancel := w.closable(ada)
		closes = append(closes, cancel)
		wantRefused("one too many again", ended)
		for _, cancel := range closes {
			cancel()
		}
		synctest.Wait()
		if open := w.guard.OpenStreams(); open != 0 {
			t.Errorf("%d streams are open after all", open)
		}
	})
}

func TestStrangersHaveHalfOfAllStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		w.guard.MaxStreams = 4
		open := func(id *auth.Identity) (refused bool) {
			ended, cancel := w.closable(id)
			t.Cleanup(cancel)
			if len(ended) == 0 {
				return false
			}
			refusal := auth.AsError(<-ended)
			if refusal.Reason != auth.TooManyStreams || refusal.RetryInfo() == nil {
				t.Errorf("%v, retry %v; want %v, and to try again", refusal, refusal.RetryInfo(), auth.TooManyStreams)
			}
			return true
		}
		for i, want := range []bool{false, false, true, true} {
			if refused := open(nil); refused != want {
				t.Errorf("stream %d without a token: refused %t", i+1, refused)
			}
		}
		ada := user("https://one.test", "ada", "sess_1")
		for i, want := range []bool{false, false, true} {
			if refused := open(ada); refused != want {
				t.Errorf("stream %d with a token: refused %t", i+1, refused)
			}
		}
	})
}

// What was refused is not served when it is asked for again.
func TestARefusedStreamStaysRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		w.guard.MaxStreamsPerSubject = 1
		_, end := w.closable(issued(0))
		ctx := w.call(issued(0), watch, auth.BidiStream)
		for i := range 2 {
			err := w.guard.Serve(ctx, func(context.Context, *auth.Stream) error {
				t.Error("the handler ran")
				return nil
			}, nil)
			if reason, _ := auth.ReasonOf(err); reason != auth.TooManyStreams {
				t.Errorf("try %d: %v; want %v", i+1, err, auth.TooManyStreams)
			}
			end()
			synctest.Wait()
		}
	})
}
