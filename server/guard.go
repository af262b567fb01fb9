package server

import (
	"fmt"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

// services are the names of those whose calls are guarded by their own rules.
func services() []string { return []string{identityv1connect.IdentityServiceName} }

// buildGuard makes the one thing that decides about calls, from the issuers and
// the rules in the schema.
func (s *Server) buildGuard() error {
	config := token.Config{Now: s.config.Now}
	for _, issuer := range s.config.Issuers {
		trusted, err := s.trust(issuer)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", issuer.URL, err)
		}
		config.Issuers = append(config.Issuers, trusted)
	}
	verifier, err := token.New(config)
	if err != nil {
		return err
	}
	rules, err := policy.New(
		policy.Services(services()...),
		policy.Override(procedureOptions, &policyv1.Rule{
			Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}},
		}),
	)
	if err != nil {
		return err
	}
	s.guard = &auth.Guard{Authenticator: verifier, Policy: rules, Observer: auth.ObserverFunc(noteDecision)}
	return nil
}

// trust opens the keys of an issuer and says what its tokens must be like.
func (s *Server) trust(issuer Issuer) (token.Issuer, error) {
	profile, err := issuer.profile()
	if err != nil {
		return token.Issuer{}, err
	}
	set, remote, err := issuer.keys(s.config.Now, s.log)
	if err != nil {
		return token.Issuer{}, err
	}
	s.keys = append(s.keys, keySource{issuer: issuer.URL, remote: remote})
	if issuer.exempt() {
		s.log.Warn("tokens of this issuer are accepted whatever service they were made for; this is for development alone",
			"issuer", issuer.URL, "remedy", "set audiences or authorized_parties")
	}
	return token.Issuer{
		URL:                         issuer.URL,
		Keys:                        set,
		Profile:                     profile,
		Audiences:                   issuer.Audiences,
		AuthorizedParties:           issuer.AuthorizedParties,
		AllowMissingAuthorizedParty: issuer.AllowMissingAuthorizedParty,
		AllowAnyAudience:            issuer.AllowAnyAudience || issuer.exempt(),
		Algorithms:                  issuer.Algorithms,
		Kinds:                       issuer.Kinds,
		Skew:                        issuer.Skew,
		MaxLifetime:                 issuer.MaxLifetime,
	}, nil
}
