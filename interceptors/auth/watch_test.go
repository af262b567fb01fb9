package auth_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A keySet is an Authenticator that watches one key, which can be removed.
type keySet struct {
	caller  *auth.Identity
	removed atomic.Bool
	changed func()
}

func (k *keySet) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	k.caller.Key = k
	return k.caller, nil
}

func (k *keySet) Watch(changed func()) func() {
	k.changed = changed
	return func() {}
}

func (k *keySet) Withdrawn() error {
	if k.removed.Load() {
		return auth.NewError(auth.KeyUnknown, nil)
	}
	return nil
}

func (k *keySet) remove() {
	k.removed.Store(true)
	k.changed()
}

// TestARemovedKeyEndsTheStreamsThatItOpened does so without any other call, and
// whether or not the guard asks for revocations as well.
func TestARemovedKeyEndsTheStreamsThatItOpened(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]auth.Revocations{"without revocations": nil, "with revocations": new(revocations)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := &keySet{caller: issued(0)}
			guard := &auth.Guard{Authenticator: keys, Policy: streamRule{}, Revocations: list}
			ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Stream: auth.BidiStream, Messages: true})
			if err != nil {
				t.Fatal(err)
			}
			err = guard.Serve(ctx, func(ctx context.Context, _ *auth.Stream) error {
				keys.remove()
				return idle(ctx)
			}, nil)
			if reason, _ := auth.ReasonOf(err); reason != auth.KeyUnknown {
				t.Errorf("Serve = %v; want %v", err, auth.KeyUnknown)
			}
		})
	}
}

// A watchable counts who watches it, as an Authenticator or as Revocations.
type watchable struct {
	keySet

	watchers atomic.Int64
}

func (w *watchable) Watch(changed func()) func() {
	w.changed = changed
	w.watchers.Add(1)
	return func() { w.watchers.Add(-1) }
}

func (w *watchable) Revoked(*auth.Identity) error { return w.Withdrawn() }

// A list of revocations that lives on must not keep a guard that was closed.
func TestCloseEndsTheWatches(t *testing.T) {
	t.Parallel()
	keys, list := &watchable{keySet: keySet{caller: issued(0)}}, new(watchable)
	guard := &auth.Guard{Authenticator: keys, Policy: streamRule{}, Revocations: list}
	if err := guard.Close(); err != nil { // before there was a stream
		t.Error(err)
	}
	for range 2 { // a stream that comes late is watched all the same
		ctx, err := guard.Admit(t.Context(), auth.Call{Procedure: watch, Stream: auth.BidiStream, Messages: true})
		if err != nil {
			t.Fatal(err)
		}
		if keys, list := keys.watchers.Load(), list.watchers.Load(); keys != 1 || list != 1 {
			t.Errorf("with a stream, the keys are watched %d times and the revocations %d times; want once", keys, list)
		}
		err = guard.Serve(ctx, func(ctx context.Context, _ *auth.Stream) error {
			list.remove()
			return idle(ctx)
		}, nil)
		if reason, _ := auth.ReasonOf(err); reason != auth.KeyUnknown {
			t.Errorf("Serve = %v; want %v", err, auth.KeyUnknown)
		}
		list.removed.Store(false)
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
		if keys, list := keys.watchers.Load(), list.watchers.Load(); keys != 0 || list != 0 {
			t.Errorf("when the guard is closed, the keys are watched %d times and the revocations %d times", keys, list)
		}
	}
}
