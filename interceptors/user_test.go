package interceptors_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// An account is an application's own user.
type account struct{ name string }

func TestTheUserIsLoadedOnceForACallOnEveryTransport(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	guard := k.guard(t)
	good := bearer(k.session())
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			var loads atomic.Int32
			var failure error
			var none bool
			loading := observed(guard, nil)
			loading.LoadUser = func(ctx context.Context, id *auth.Identity) (any, error) {
				loads.Add(1)
				if current, ok := auth.FromContext(ctx); !ok || current != id {
					t.Errorf("the context of LoadUser carries %v; want %v", current, id)
				}
				if failure != nil {
					return nil, failure
				}
				if none {
					return (*account)(nil), nil
				}
				return &account{name: "account of " + id.Subject}, nil
			}
			b := &startedTransport{transport: transport, service: new(service), witness: new(witness)}
			loading.Observer = b.witness
			b.call = transport.start(t, loading, b.service)
			try := func(service string, token map[string][]string, want int) outcome {
				t.Helper()
				loads.Store(0)
				got, _, _ := b.try(t, attempt{service: service, header: token, body: hello})
				if loaded := loads.Load(); int(loaded) != want {
					t.Errorf("the user of a call of %s was loaded %d times; want %d", service, loaded, want)
				}
				return got
			}

			if got := try(authenticated, good, 1); got.reply != "account of "+ada+" hello" {
				t.Errorf("got %+v; want the name of the account", got)
			}
			b.assertRefusal(t, try(adminsOnly, good, 0), auth.RoleRequired)
			if got := try(public, nil, 0); got.reply != nobody+" hello" {
				t.Errorf("got %+v for an anonymous caller", got)
			}

			failure = errors.New("the database password is hunter2")
			b.assertRefusal(t, try(authenticated, good, 1), auth.AuthFailure)
			failure = auth.NewError(auth.UserUnavailable, errors.New("the database password is hunter2"))
			b.assertRefusal(t, try(authenticated, good, 1), auth.UserUnavailable)
			refusal := &auth.Error{Reason: auth.ConditionNotMet, Message: "this account is closed"}
			failure = refusal
			b.assertRefused(t, try(authenticated, good, 1), refusal)
			failure, none = nil, true
			b.assertRefusal(t, try(authenticated, good, 1), auth.UserUnknown)
			if ran := b.service.ran.Load(); ran != 2 {
				t.Errorf("the handler ran %d times; want 2", ran)
			}
		})
	}
}
