package auth_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// admitWith makes a call with a token in its Authorization header; with none where
// the token is empty.
func (w *world) admitWith(bearer string, id *auth.Identity, procedure string, shape auth.StreamType) (context.Context, error) {
	w.caller = id
	header := http.Header{}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	return w.guard.Admit(w.t.Context(), auth.Call{Procedure: procedure, Stream: shape, Header: header})
}

// TestCallerTokenOfAStream asks for the token within streams, after other calls of
// the same session and of others.
func TestCallerTokenOfAStream(t *testing.T) {
	t.Parallel()
	const none = ""
	type call struct {
		bearer string
		id     func() *auth.Identity
	}
	another := func() *auth.Identity {
		id := token(time.Second)
		id.Organization.ID = "org_2"
		return id
	}
	newer := func() *auth.Identity { return token(time.Second) }
	newest := func() *auth.Identity { return token(2 * time.Second) }
	older := func() *auth.Identity { return token(-time.Second) }
	for _, tt := range []struct {
		name  string
		terms auth.StreamTerms
		calls []call
		want  string
	}{
		{"without another call it is the token that opened the stream", auth.StreamTerms{}, nil, "opened"},
		{"a call with a newer token", auth.StreamTerms{}, []call{{"newer", newer}}, "newer"},
		{"two calls with newer tokens", auth.StreamTerms{}, []call{{"newer", newer}, {"newest", newest}}, "newest"},
		{"two calls whose order changed on the way", auth.StreamTerms{}, []call{{"newest", newest}, {"newer", newer}}, "newest"},
		{"a call with an older token", auth.StreamTerms{}, []call{{"older", older}}, "opened"},
		{"a call for another organization", auth.StreamTerms{}, []call{{"another", another}}, "opened"},
		{"a stream until expiry is not renewed", auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, []call{{"newer", newer}}, "opened"},
		{"a call that carried its token elsewhere", auth.StreamTerms{}, []call{{none, newer}}, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader", terms: tt.terms})
				ctx, err := w.admitWith("opened", token(0), watch, auth.BidiStream)
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				ended := w.serveIn(ctx, func(ctx context.Context) error {
					<-done
					if got, err := auth.CallerToken(ctx); got != tt.want || (err == nil) != (tt.want != none) {
						t.Errorf("CallerToken = %q, %v; want %q", got, err, tt.want)
					}
					return nil
				})
				for _, call := range tt.calls {
					ctx, err := w.admitWith(call.bearer, call.id(), ping, auth.Unary)
					if err != nil {
						t.Fatal(err)
					}
					if got, _ := auth.CallerToken(ctx); got != call.bearer {
						t.Errorf("CallerToken = %q in a call with %q", got, call.bearer)
					}
				}
				close(done)
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCallerTokenOfAStreamThatIsBehind opens two streams, the second with the older
// token: it goes over to the first one's at once.
func TestCallerTokenOfAStreamThatIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		done := make(chan struct{})
		ctx, err := w.admitWith("newer", token(time.Second), watch, auth.BidiStream)
		if err != nil {
			t.Fatal(err)
		}
		first := w.serveIn(ctx, func(context.Context) error {
			<-done
			return nil
		})
		ctx, err = w.admitWith("older", token(0), watch, auth.BidiStream)
		if err != nil {
			t.Fatal(err)
		}
		second := w.serveIn(ctx, func(ctx context.Context) error {
			if got, err := auth.CallerToken(ctx); got != "newer" {
				t.Errorf("CallerToken = %q, %v; want %q", got, err, "newer")
			}
			return nil
		})
		close(done)
		for _, ended := range []<-chan error{first, second} {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
