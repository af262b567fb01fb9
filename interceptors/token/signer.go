package token

import (
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

// A signer is the auth.Key of the identities that a key has verified.
type signer struct {
	key    *jwks.Key
	issuer *Issuer
}

// Withdrawn implements auth.Key. It gives the reason that a cold verification of
// the token would give.
func (s *signer) Withdrawn() error {
	if s.key.Live() {
		return nil
	}
	if set, ok := s.issuer.Keys.(interface{ Ready() bool }); ok && !set.Ready() {
		return auth.Errorf(auth.KeysUnavailable, "the keys of %s are too old", s.issuer.URL)
	}
	return auth.Errorf(auth.KeyUnknown, "%s no longer publishes the key", s.issuer.URL)
}

// Watch implements [auth.Watcher]: changed is called whenever the keys of an issuer
// have changed, until stop is called.
func (v *Verifier) Watch(changed func()) (stop func()) {
	var stops []func()
	for _, issuer := range v.trusted {
		if set, ok := issuer.Keys.(jwks.Watcher); ok {
			stops = append(stops, set.Watch(changed))
		}
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}
