package server

import (
	"context"
	"log/slog"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Verify returns whose token it is, verified as a Server with this Config does
// it; revocations, which are the running server's, are not looked at. It fetches
// the issuer's keys and ends when ctx does. It writes neither log nor file.
//
// Its error is an *auth.Error where the token is not accepted, and a
// *[ConfigError] where the Config is at fault.
func Verify(ctx context.Context, config Config, token string) (*auth.Identity, error) {
	if faults := config.Faults(); len(faults) > 0 {
		return nil, &ConfigError{Faults: faults}
	}
	s := &Server{config: config.WithDefaults(), log: slog.New(slog.DiscardHandler)}
	s.config.Issuers = append([]Issuer(nil), s.config.Issuers...)
	for i := range s.config.Issuers {
		s.config.Issuers[i].KeysSnapshot = "" // which a server may be using
	}
	defer func() { _ = s.closeKeys() }()
	verifier, err := s.buildVerifier() //nolint:contextcheck // keys are fetched for all callers alike, and until closeKeys
	if err != nil {
		return nil, err
	}
	return verifier.Verify(ctx, token)
}
