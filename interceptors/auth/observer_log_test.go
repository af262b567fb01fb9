package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestRefusalsAreLoggedByWhoseFaultTheyAre(t *testing.T) {
	t.Parallel()
	for reason, want := range map[auth.Reason]string{
		auth.AuthFailure:     "level=ERROR",
		auth.KeysUnavailable: "level=WARN",
		auth.TokenExpired:    "level=INFO",
	} {
		var log bytes.Buffer
		o := auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		o.Observe(t.Context(), auth.Decision{Procedure: "/a.B/C"})
		o.Observe(t.Context(), auth.Decision{
			Procedure: "/a.B/C", Refusal: auth.NewError(reason, errors.New("the cause")),
			Identity: &auth.Identity{Issuer: "https://issuer.test", Subject: "ada", RawClaims: `{"secret":1}`},
		})
		for _, part := range []string{want, "procedure=/a.B/C", "reason=" + reason.String(), `cause="the cause"`, "subject=ada"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%v: the log lacks %s:\n%s", reason, part, log.String())
			}
		}
		if strings.Contains(log.String(), "secret") || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%v: the log has more than the refusal:\n%s", reason, log.String())
		}
	}
}

func TestAFloodOfRefusalsIsCountedAndNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		observe := func(reason auth.Reason, times int) {
			for range times {
				o.Observe(t.Context(), auth.Decision{Refusal: auth.NewError(reason, nil)})
			}
		}
		observe(auth.KeyUnknown, 1000)
		observe(auth.TokenMissing, 1) // has a bound of its own
		pass(10 * time.Second)
		synctest.Wait() // until the line is there
		observe(auth.KeyUnknown, 2)
		if lines := strings.Count(log.String(), "\n"); lines != 11+3 || strings.Count(log.String(), "omitted.KEY_UNKNOWN=990") != 1 {
			t.Errorf("ten seconds later the log is\n%swant how many were omitted, and two lines more", log.String())
		}
	})
}

func TestRefusalsOfKnownCallersAreAllLogged(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]auth.Decision{
		"a token that has expired":    {Refusal: auth.AsVerified(auth.NewError(auth.TokenExpired, nil), auth.VerifiedToken{})},
		"a user who lacks permission": {Refusal: auth.NewError(auth.PermissionRequired, nil), Identity: &auth.Identity{Subject: "ada"}},
	} {
		var log bytes.Buffer
		o := auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		for range 1000 {
			o.Observe(t.Context(), d)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1000 {
			t.Errorf("%s: %d lines; want 1000", name, lines)
		}
	}
}

func TestAnAdmittedCallIsLoggedWithoutARefusal(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var none *auth.Error
	slog.New(slog.NewTextHandler(&log, nil)).InfoContext(t.Context(), "decided", "refusal", none, "decision", auth.Decision{Procedure: "/a.B/C"})
	if strings.Contains(log.String(), "panic") || !strings.Contains(log.String(), "decision.procedure=/a.B/C") {
		t.Errorf("it logs %s", log.String())
	}
}

func TestObserversAreAllShownADecision(t *testing.T) {
	t.Parallel()
	var seen []string
	note := func(name string) auth.Observer {
		return auth.ObserverFunc(func(context.Context, auth.Decision) { seen = append(seen, name) })
	}
	auth.Observers(note("first"), nil, note("second")).Observe(t.Context(), auth.Decision{})
	if strings.Join(seen, " ") != "first second" {
		t.Errorf("shown to %v; want first and second", seen)
	}
}

// TestTheEndOfAStreamIsNoRefusedCall has a stream whose token expires.
func TestTheEndOfAStreamIsNoRefusedCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		var log bytes.Buffer
		w.guard.Observer = auth.Observers(w.guard.Observer, auth.LogRefusals(slog.New(slog.NewTextHandler(&log, nil))))
		if reason, _ := auth.ReasonOf(<-w.serve(issued(0), idle)); reason != auth.TokenExpired {
			t.Errorf("the stream ended with %v", reason)
		}
		if last := w.decisions[len(w.decisions)-1]; !last.Ended || !strings.HasSuffix(last.String(), "ended TOKEN_EXPIRED") {
			t.Errorf("the last decision is %v", last)
		}
		if !strings.Contains(log.String(), `msg="stream ended"`) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("logged %s; want that a stream has ended", log.String())
		}
	})
}

func TestRefusalsAreLoggedWithoutALogger(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*auth.Error{auth.NewError(auth.TokenExpired, nil), auth.AsVerified(auth.NewError(auth.TokenExpired, nil), auth.VerifiedToken{})} {
		auth.LogRefusals(nil).Observe(t.Context(), auth.Decision{Refusal: refusal}) // by the default logger, which is of the whole program
	}
}
