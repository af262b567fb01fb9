package authclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// adviceFor is what an adapter's does, for errors that crossed no network.
func adviceFor(err error) (authclient.Advice, time.Duration) {
	if refusal, ok := errors.AsType[*auth.Error](err); ok {
		return authclient.AdviceForReason(refusal.Reason, refusal.RetryAfter), refusal.RetryAfter
	}
	return authclient.RetryLater, 0
}

// after returns a refusal whose sender asks for a delay.
func after(reason auth.Reason, d time.Duration) error {
	refusal := auth.NewError(reason, nil)
	refusal.RetryAfter = d
	return refusal
}

var (
	errExpired = auth.NewError(auth.TokenExpired, nil)
	errRevoked = auth.NewError(auth.TokenRevoked, nil)
	errNetwork = errors.New("connection reset")
)

func pass(d time.Duration) { <-time.After(d) }

// An attempt is one stream: how long it lives, and how it ends.
type attempt struct {
	lives time.Duration
	ends  error
}

func TestRetryStream(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tt := range []struct {
		name     string
		attempts []attempt
		want     error
		fresh    []bool
		// asked is the delay that the server asks for after each attempt, and waited is the
		// longest that is waited beyond it; the shortest is half of that.
		asked, waited []time.Duration
	}{
		{"an end without an error", []attempt{{time.Second, nil}}, nil, []bool{false}, nil, nil},
		{"a revoked session stops it", []attempt{{time.Second, errRevoked}}, errRevoked, []bool{false}, nil, nil},
		{"a refusal by the rule stops it", []attempt{{time.Second, auth.NewError(auth.RoleRequired, nil)}}, auth.NewError(auth.RoleRequired, nil), []bool{false}, nil, nil},
		{"an expired token is refreshed at once", []attempt{{5 * time.Second, errExpired}, {5 * time.Second, errExpired}, {0, nil}}, nil, []bool{false, true, true}, nil, []time.Duration{0, 0}},
		{"a token that has expired again at once is waited for", []attempt{{0, errExpired}, {0, errExpired}, {0, errExpired}, {0, nil}}, nil, []bool{false, true, true, true}, nil, []time.Duration{0, 250 * ms, 500 * ms}},
		{"a server that is far away is not tried more often for it", []attempt{{time.Second, errExpired}, {time.Second, errExpired}, {time.Second, errExpired}, {0, nil}}, nil, []bool{false, true, true, true}, nil, []time.Duration{0, 250 * ms, 500 * ms}},
		{"a stream that lived for two seconds lived on its token", []attempt{{2 * time.Second, errExpired}, {2 * time.Second, errExpired}, {0, nil}}, nil, []bool{false, true, true}, nil, []time.Duration{0, 0}},
		{"a stream that lived for the longest delay begins anew", []attempt{{0, errNetwork}, {0, errNetwork}, {30 * time.Second, errNetwork}, {0, nil}}, nil, []bool{false, false, false, false}, nil, []time.Duration{250 * ms, 500 * ms, 250 * ms}},
		{"a failing network is waited for, and longer each time", []attempt{{0, errNetwork}, {time.Second, errNetwork}, {0, errNetwork}, {0, nil}}, nil, []bool{false, false, false, false}, nil, []time.Duration{250 * ms, 500 * ms, 1000 * ms}},
		{"a stream that lived long begins anew", []attempt{{0, errNetwork}, {0, errNetwork}, {time.Hour, errNetwork}, {0, nil}}, nil, []bool{false, false, false, false}, nil, []time.Duration{250 * ms, 500 * ms, 250 * ms}},
		{"what follows a refresh asks for no fresh token", []attempt{{time.Minute, errExpired}, {0, errNetwork}, {0, nil}}, nil, []bool{false, true, false}, nil, []time.Duration{0, 250 * ms}},
		{"a wrapped error counts as what it holds", []attempt{{time.Second, fmt.Errorf("watch: %w", errRevoked)}}, errRevoked, []bool{false}, nil, nil},
		{
			"a full server is tried again after its delay", []attempt{{0, after(auth.TooManyStreams, 5*time.Second)}, {0, after(auth.TooManyStreams, 5*time.Second)}, {0, nil}}, nil,
			[]bool{false, false, false}, []time.Duration{5 * time.Second, 5 * time.Second}, []time.Duration{250 * ms, 500 * ms},
		},
		{"as many streams as one may have stop it", []attempt{{0, auth.NewError(auth.TooManyStreams, nil)}}, auth.NewError(auth.TooManyStreams, nil), []bool{false}, nil, nil},
		{
			"a subject that was signed out gets a fresh token after the delay", []attempt{{time.Minute, after(auth.TokenRevoked, 5*time.Second)}, {0, nil}}, nil,
			[]bool{false, true}, []time.Duration{5 * time.Second}, []time.Duration{250 * ms},
		},
		{
			"a fresh token that was revoked meanwhile stops it", []attempt{{time.Minute, after(auth.TokenRevoked, 5*time.Second)}, {0, errRevoked}}, errRevoked,
			[]bool{false, true}, []time.Duration{5 * time.Second}, []time.Duration{250 * ms},
		},
		{
			"no server is waited for longer than the longest delay", []attempt{{0, after(auth.KeysUnavailable, 1<<62)}, {0, nil}}, nil,
			[]bool{false, false}, []time.Duration{30 * time.Second}, []time.Duration{0},
		},
		{"a negative delay is none", []attempt{{0, after(auth.KeysUnavailable, -time.Hour)}, {0, nil}}, nil, []bool{false, false}, nil, []time.Duration{250 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fresh []bool
				var last time.Time
				err := authclient.Retry{Advice: adviceFor}.Stream(t.Context(), func(ctx context.Context) error {
					n := len(fresh)
					fresh = append(fresh, authclient.FreshTokenWanted(ctx))
					if n > 0 {
						waited, most := time.Since(last), tt.waited[n-1]
						if n <= len(tt.asked) {
							waited -= tt.asked[n-1]
						}
						if waited > most || waited < most/2 {
							t.Errorf("waited for %v before attempt %d, beyond what the server asks for; want %v or down to half of it", waited, n, most)
						}
					}
					pass(tt.attempts[n].lives)
					last = time.Now()
					return tt.attempts[n].ends
				})
				if !errors.Is(err, tt.want) {
					t.Errorf("Stream = %v; want %v", err, tt.want)
				}
				if !slices.Equal(fresh, tt.fresh) {
					t.Errorf("the attempts asked for a fresh token: %v; want %v", fresh, tt.fresh)
				}
			})
		})
	}
}

func TestRetryNeverWaitsLongerThanItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		last := time.Now()
		attempts := 0
		err := authclient.Retry{Advice: adviceFor, MinDelay: time.Second, MaxDelay: time.Minute}.Stream(ctx, func(context.Context) error {
			if waited := time.Since(last); waited > time.Minute || (attempts > 10 && waited < 30*time.Second) || (attempts == 1 && waited < time.Second/2) {
				t.Errorf("waited for %v before attempt %d", waited, attempts)
			}
			last = time.Now()
			attempts++
			return errNetwork
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stream = %v; want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		quit := errors.New("quit")
		err := authclient.Retry{Advice: adviceFor}.Stream(ctx, func(context.Context) error {
			cancel(quit)
			return errNetwork
		})
		if !errors.Is(err, quit) {
			t.Errorf("Stream = %v; want %v", err, quit)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	type call struct {
		lives time.Duration // the token that it sends
		err   error
	}
	for _, tt := range []struct {
		name  string
		calls []call
		want  error
		at    []time.Duration // the latest moment of each call since the first
	}{
		{"with a third of a token's time to go", []call{{time.Minute, nil}, {time.Minute, nil}, {0, errRevoked}}, errRevoked, []time.Duration{0, 40 * time.Second, 80 * time.Second}},
		{"with a minute of a long one's", []call{{time.Hour, nil}, {0, errRevoked}}, errRevoked, []time.Duration{0, 59 * time.Minute}},
		{"again soon where the network fails", []call{{time.Minute, nil}, {0, errNetwork}, {time.Minute, nil}, {0, errRevoked}}, errRevoked, []time.Duration{0, 40 * time.Second, 40250 * time.Millisecond, 80250 * time.Millisecond}},
		{"after the delay that a server asks for", []call{{time.Minute, nil}, {0, after(auth.TokenRevoked, 5*time.Second)}, {time.Minute, nil}, {0, errRevoked}}, errRevoked, []time.Duration{0, 40 * time.Second, 45250 * time.Millisecond, 85250 * time.Millisecond}},
		{"again soon where the token has expired", []call{{0, errExpired}, {time.Minute, nil}, {0, errRevoked}}, errRevoked, []time.Duration{0, 250 * time.Millisecond, 40250 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, n := time.Now(), 0
				err := authclient.Retry{Advice: adviceFor}.KeepAlive(t.Context(), func(ctx context.Context) (time.Time, error) {
					if at := time.Since(began); at > tt.at[n] || at < tt.at[n]-time.Second/4 {
						t.Errorf("call %d after %v; want %v or up to a quarter of a second before", n, at, tt.at[n])
					}
					if !authclient.FreshTokenWanted(ctx) {
						t.Errorf("call %d asks for no fresh token", n)
					}
					n++
					return time.Now().Add(tt.calls[n-1].lives), tt.calls[n-1].err
				})
				if !errors.Is(err, tt.want) || n != len(tt.calls) {
					t.Errorf("KeepAlive = %v after %d calls; want %v after %d", err, n, tt.want, len(tt.calls))
				}
			})
		})
	}
}

// TestKeepAliveDoesNotSpin renews for an hour with tokens that leave no time: an
// expiry that nobody set, clocks that differ, and a source that never gives a
// fresh one.
func TestKeepAliveDoesNotSpin(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]func() time.Time{
		"no expiry":             func() time.Time { return time.Time{} },
		"a message without one": func() time.Time { return (*timestamppb.Timestamp)(nil).AsTime() },
		"just expired":          time.Now,
		"expired a minute ago":  func() time.Time { return time.Now().Add(-time.Minute) },
		"too near by a hair":    func() time.Time { return time.Now().Add(375*time.Millisecond - 2*time.Nanosecond) },
		"about to expire":       func() time.Time { return time.Now().Add(time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				calls := 0
				_ = authclient.Retry{Advice: adviceFor}.KeepAlive(ctx, func(context.Context) (time.Time, error) {
					calls++
					return expires(), nil
				})
				// The longest delay is 30 s, and half of it at least.
				if calls < 120 || calls > 240+10 {
					t.Errorf("%d calls in an hour; want one each 15 s to 30 s", calls)
				}
			})
		})
	}
}

// TestKeepAliveIgnoresABadExpiry returns to its rhythm with the first good token.
func TestKeepAliveIgnoresABadExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lives := []time.Duration{0, 0, 0, 0, 0, 0, 0, time.Minute, 0, 0}
		n, last := 0, time.Now()
		_ = authclient.Retry{Advice: adviceFor}.KeepAlive(t.Context(), func(context.Context) (time.Time, error) {
			waited := time.Since(last)
			last = time.Now()
			if n == 8 && waited != 40*time.Second {
				t.Errorf("waited for %v after a token of a minute; want 40 s", waited)
			}
			if n == 9 && waited > 250*time.Millisecond {
				t.Errorf("waited for %v after the next bad one; want the shortest delay", waited)
			}
			if n == len(lives) {
				return time.Time{}, errRevoked
			}
			n++
			return time.Now().Add(lives[n-1]), nil
		})
	})
}

func TestKeepAliveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Second)
		defer cancel()
		err := authclient.Retry{Advice: adviceFor}.KeepAlive(ctx, func(ctx context.Context) (time.Time, error) {
			if ctx.Err() != nil {
				t.Error("a token was asked for when nobody waited for it any more")
			}
			return time.Now().Add(time.Minute), nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("KeepAlive = %v; want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestAdviceForCode(t *testing.T) {
	t.Parallel()
	final := map[auth.Code]bool{3: true, 5: true, 6: true, auth.CodePermissionDenied: true, 9: true, 11: true, 12: true}
	for code := range auth.Code(18) {
		want := authclient.RetryLater
		if final[code] {
			want = authclient.GiveUp
		}
		if got := authclient.AdviceForCode(code, 0); got != want {
			t.Errorf("code %d: %v; want %v", code, got, want)
		}
		if got := authclient.AdviceForCode(code, time.Second); got != authclient.RetryLater {
			t.Errorf("code %d with a delay: %v; want %v", code, got, authclient.RetryLater)
		}
	}
}

func TestAdviceForReason(t *testing.T) {
	t.Parallel()
	advice := map[auth.Reason]authclient.Advice{
		auth.TokenExpired: authclient.RetryWithFreshToken, auth.KeyUnknown: authclient.RetryWithFreshToken,
		auth.KeysUnavailable: authclient.RetryLater, auth.RevocationsStale: authclient.RetryLater, auth.UserUnavailable: authclient.RetryLater,
		auth.TokenNotYetValid: authclient.RetryLater, auth.AuthFailure: authclient.RetryLater,
	}
	for _, reason := range auth.Reasons() {
		if got := authclient.AdviceForReason(reason, 0); got != advice[reason] {
			t.Errorf("%v: %v; want %v", reason, got, advice[reason])
		}
		want := advice[reason]
		switch {
		case reason == auth.TokenRevoked:
			want = authclient.RetryWithFreshToken
		case want == authclient.GiveUp:
			want = authclient.RetryLater
		}
		if got := authclient.AdviceForReason(reason, time.Second); got != want {
			t.Errorf("%v with a delay: %v; want %v", reason, got, want)
		}
	}
}

// TestADenialIsFinal holds for every reason that answers PERMISSION_DENIED.
func TestADenialIsFinal(t *testing.T) {
	t.Parallel()
	for _, reason := range auth.Reasons() {
		if got := authclient.AdviceForReason(reason, 0); reason.Code() == auth.CodePermissionDenied && got != authclient.GiveUp {
			t.Errorf("%v: %v; want %v", reason, got, authclient.GiveUp)
		}
	}
}
