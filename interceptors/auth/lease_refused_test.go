package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// rulesByName are the rules of procedures.
type rulesByName map[string]auth.Rule

func (r rulesByName) Rule(procedure string) auth.Rule { return r[procedure] }

// TestATokenRenewsStreamsEvenIfItsCallIsRefused brings a newer token of the
// session with a call that its own rule refuses. What the token says of its caller
// is as true as if the call had been admitted.
func TestATokenRenewsStreamsEvenIfItsCallIsRefused(t *testing.T) {
	t.Parallel()
	const closed = "/acme.v1.Library/Close"
	for _, tt := range []struct {
		name      string
		procedure string
		roles     []string
		refused   auth.Reason // the call
		want      auth.Reason // the stream
		after     time.Duration
	}{
		{"a role was lost, and the stream needs it", watch, nil, auth.RoleRequired, auth.RoleRequired, 0},
		{"the call needs a role that the stream does not", closed, []string{"reader"}, auth.RoleRequired, auth.TokenExpired, 95 * time.Second},
		{"the call is of a method that has no rule", "/acme.v1.Library/Unknown", []string{"reader"}, auth.AuthFailure, auth.TokenExpired, 95 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader"})
				w.guard.Policy = rulesByName{watch: streamRule{role: "reader"}, closed: streamRule{role: "nobody"}}
				opened := time.Now()
				ended := w.serve(token(0), idle)
				w.caller = token(30 * time.Second)
				w.caller.Roles = tt.roles
				_, err := w.guard.Admit(t.Context(), auth.Call{Procedure: tt.procedure, Messages: true})
				if reason, _ := auth.ReasonOf(err); reason != tt.refused {
					t.Errorf("the call: %v; want %v", err, tt.refused)
				}
				err = <-ended
				if reason, _ := auth.ReasonOf(err); err == nil || reason != tt.want {
					t.Errorf("the stream: %v; want %v", err, tt.want)
				}
				if after := time.Since(opened); after != tt.after {
					t.Errorf("the stream ended after %v; want %v", after, tt.after)
				}
			})
		})
	}
}
