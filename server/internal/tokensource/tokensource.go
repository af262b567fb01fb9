// Package tokensource gives tokens to what keeps one source for as long as it lives, though the
// secret behind the source can change.
//
//	tokens := tokensource.New(source)
//	…
//	tokens.Replace(another)
package tokensource

import (
	"context"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

// Replaceable gives the tokens of another source once it is replaced. Its methods may be called
// from any goroutine.
type Replaceable struct {
	current atomic.Pointer[authclient.TokenSource]
}

// New returns one that gives the tokens of a source.
func New(source authclient.TokenSource) *Replaceable {
	r := new(Replaceable)
	r.Replace(source)
	return r
}

// Token implements authclient.TokenSource.
func (r *Replaceable) Token(ctx context.Context) (string, error) {
	return (*r.current.Load()).Token(ctx)
}

// Replace has the tokens of another source given from now on.
func (r *Replaceable) Replace(by authclient.TokenSource) { r.current.Store(&by) }
