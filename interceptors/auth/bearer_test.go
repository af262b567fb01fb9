package auth_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	const token = "aaa.bbb.ccc"
	accepted := []struct {
		name   string
		header http.Header
	}{
		{"the usual form", http.Header{"Authorization": {"Bearer " + token}}},
		{"the scheme in lower case", http.Header{"Authorization": {"bearer " + token}}},
		{"the scheme in upper case", http.Header{"Authorization": {"BEARER " + token}}},
	}
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.BearerToken(tt.header)
			if err != nil || got != token {
				t.Errorf("BearerToken = %q, %v; want %q", got, err, token)
			}
		})
	}

	refused := []struct {
		name   string
		header http.Header
		want   auth.Reason
	}{
		{"no header at all", nil, auth.TokenMissing},
		{"other headers only", http.Header{"Accept": {"*/*"}}, auth.TokenMissing},
		{"an empty value", http.Header{"Authorization": {""}}, auth.TokenMissing},
		{"another scheme", http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, auth.TokenMissing},
		{"a token in a cookie", http.Header{"Cookie": {"__session=" + token}}, auth.TokenMissing},
		{"a token in authorization-bin", http.Header{"Authorization-Bin": {"Bearer " + token}}, auth.TokenMissing},
		{"a token in proxy-authorization", http.Header{"Proxy-Authorization": {"Bearer " + token}}, auth.TokenMissing},
		{"an identity claimed by header", http.Header{"X-User-Id": {"user_ada"}}, auth.TokenMissing},
		{"two headers", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, auth.CredentialsAmbiguous},
		{"two headers, one of them empty", http.Header{"Authorization": {"", "Bearer " + token}}, auth.CredentialsAmbiguous},
		{"a list of credentials", http.Header{"Authorization": {"Bearer " + token + ", Bearer " + token}}, auth.CredentialsAmbiguous},
		{"a list of tokens", http.Header{"Authorization": {"Bearer " + token + "," + token}}, auth.CredentialsAmbiguous},
		{"a list that begins with another scheme", http.Header{"Authorization": {"Basic x, Bearer " + token}}, auth.CredentialsAmbiguous},
		{"the scheme alone", http.Header{"Authorization": {"Bearer"}}, auth.TokenMalformed},
		{"the scheme and a space", http.Header{"Authorization": {"Bearer "}}, auth.TokenMalformed},
		{"two spaces", http.Header{"Authorization": {"Bearer  " + token}}, auth.TokenMalformed},
		{"a space at the end", http.Header{"Authorization": {"Bearer " + token + " "}}, auth.TokenMalformed},
		{"a space at the start", http.Header{"Authorization": {" Bearer " + token}}, auth.TokenMalformed},
		{"a tab for the space", http.Header{"Authorization": {"Bearer\t" + token}}, auth.TokenMalformed},
		{"a token without scheme", http.Header{"Authorization": {token}}, auth.TokenMalformed},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.BearerToken(tt.header)
			reason, ok := auth.ReasonOf(err)
			if got != "" || !ok || reason != tt.want {
				t.Errorf("BearerToken = %q, %v; want reason %v", got, err, tt.want)
			}
		})
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer a.b.c", "bearer a", "Bearer  a", "Basic a", "Bearer a,b", "Bearer a b", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := auth.BearerToken(http.Header{"Authorization": {value}})
		if err != nil {
			if _, ok := auth.ReasonOf(err); !ok || token != "" {
				t.Fatalf("refused with %q and %v", token, err)
			}
			return
		}
		// What is accepted is the scheme, one space and the token, nothing else.
		if len(value) < 8 || !strings.EqualFold(value[:7], "Bearer ") || value[7:] != token ||
			strings.ContainsAny(token, " ,") {
			t.Fatalf("%q accepted as %q", value, token)
		}
	})
}

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
		id := issued(time.Second)
		id.Organization.ID = "org_2"
		return id
	}
	newer := func() *auth.Identity { return issued(time.Second) }
	newest := func() *auth.Identity { return issued(2 * time.Second) }
	older := func() *auth.Identity { return issued(-time.Second) }
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
				ctx, err := w.admitWith("opened", issued(0), watch, auth.BidiStream)
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
		ctx, err := w.admitWith("newer", issued(time.Second), watch, auth.BidiStream)
		if err != nil {
			t.Fatal(err)
		}
		first := w.serveIn(ctx, func(context.Context) error {
			<-done
			return nil
		})
		ctx, err = w.admitWith("older", issued(0), watch, auth.BidiStream)
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
