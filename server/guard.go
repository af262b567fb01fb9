package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/feed"
	"github.com/ostiary/ostiary/server/internal/inbox"
	"github.com/ostiary/ostiary/server/internal/schemas"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// buildGuards makes what decides about calls, from the issuers and the rules in the
// schema. That of the FeedService accepts secrets as well.
func (s *Server) buildGuards() error {
	verifier, err := s.buildVerifier()
	if err != nil {
		return err
	}
	rules, err := s.rulesOf(s.config)
	if err != nil {
		return err
	}
	s.logRules(rules)
	followers, err := followersOf(s.config)
	if err != nil {
		return err
	}
	backends, err := readBackends(s.config)
	if err != nil {
		return err
	}
	s.backends = schemas.NewSet(schemas.Options{Now: s.config.Now, Log: s.log, Changed: s.showBackends})
	s.backends.Replace(backends)
	access, err := newAccessService(rules, s.backends.States(), s.operators, followers)
	if err != nil {
		return err
	}
	s.rules.Store(rules)
	s.access.Store(access)
	s.followers = followers
	s.verifier = verifier
	revocations := s.revocations()
	s.guard = s.newGuard(verifier, guarded{&s.rules}, revocations)
	s.guard.MaxStreamsPerSubject, s.guard.MaxStreams = s.config.MaxStreamsPerSubject, s.config.MaxStreams
	s.feed = feed.New(feed.Config{
		Source: s.feedSource(), Followers: followers, Decisions: s.decisions, Now: s.config.Now, Log: s.log, Stopping: s.stopping,
	})
	if s.inbox, err = inbox.Open(inbox.Config{Settings: s.config, Ledger: s.ledger, Verifier: verifier, Keys: s.keySets}); err != nil {
		return err
	}
	s.reconcile()
	follower := feed.Authenticator{Verifier: verifier, Followers: followers}
	s.feedGuard = s.newGuard(follower, &s.rules, feed.Revocations{Revocations: revocations})
	s.transmitterGuard = s.newGuard(follower, followersOnly{followers}, revocations)
	return s.buildMetadata(rules.Scopes())
}

// revocations are what the guards ask.
func (s *Server) revocations() auth.Revocations {
	if s.relay != nil {
		return s.relay.Follower()
	}
	return s.ledger.RevokedList()
}

func (s *Server) newGuard(authenticator auth.Authenticator, rules auth.Policy, revocations auth.Revocations) *auth.Guard {
	return &auth.Guard{
		Authenticator: authenticator, Policy: rules, Revocations: revocations,
		Observer: auth.ObserverFunc(s.observe), Logger: s.log, Now: s.config.Now,
	}
}

// observe is called with every decision of the guard, before it takes effect.
func (s *Server) observe(ctx context.Context, d auth.Decision) {
	transport.RecordDecision(ctx, d)
	s.metrics.Observe(ctx, d)
	s.revokedLog.Refused(ctx, d.Refusal)
	s.recordDecision(ctx, d)
	switch {
	case s.relay != nil && isRecorded(&d):
		s.relay.Follower().Observe(ctx, d)
	case s.relay == nil && d.Refusal == nil && d.Identity != nil:
		s.ledger.See(d.Identity, d.Peer, func() string { return transport.UserAgent(ctx) })
	}
	if d.OfStranger() && d.Refusal != nil && d.Refusal.Code() != auth.CodeUnavailable { // which is our fault
		s.refusals.Wait(ctx, d.Peer)
	}
}

func (s *Server) buildVerifier() (*token.Verifier, error) {
	config := token.Config{Now: s.config.Now, Logger: s.log}
	for _, issuer := range s.config.Issuers {
		trusted, err := s.trust(issuer)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", issuer.URL, err)
		}
		config.Issuers = append(config.Issuers, trusted)
	}
	verifier, err := token.New(config)
	if err != nil {
		return nil, err
	}
	for _, issuer := range verifier.Issuers() {
		s.log.Info("tokens are accepted", "issuer", issuer.URL, "profile", issuer.Profile.Name, "kinds", issuer.KindNames())
	}
	return verifier, nil
}

// closeKeys ends all fetching.
func (s *Server) closeKeys() error {
	var errs []error
	for _, source := range s.keys {
		if source.remote != nil {
			errs = append(errs, source.remote.Close())
		}
	}
	return errors.Join(errs...)
}

// trust opens the keys of an issuer and says what its tokens must be like.
func (s *Server) trust(issuer settings.Issuer) (token.Issuer, error) {
	profile, err := issuer.TokenProfile()
	if err != nil {
		return token.Issuer{}, err
	}
	set, remote, err := s.openKeys(&issuer)
	if err != nil {
		return token.Issuer{}, err
	}
	if s.keySets == nil {
		s.keySets = make(map[string]jwks.Set)
	}
	s.keySets[issuer.URL] = set
	s.keys = append(s.keys, keySource{issuer: issuer.URL, essential: isEssential(s.config, &issuer), remote: remote})
	s.warnOf(&issuer)
	return token.Issuer{
		URL:                         issuer.URL,
		Aliases:                     issuer.Aliases,
		Tenants:                     issuer.Tenants,
		Keys:                        set,
		Profile:                     profile,
		Audiences:                   issuer.Audiences,
		AuthorizedParties:           issuer.AuthorizedParties,
		AllowMissingAuthorizedParty: issuer.AllowMissingAuthorizedParty,
		AllowAnyAudience:            issuer.AllowAnyAudience || issuer.AcceptsAnyAudience(),
		AllowUnboundConfirmation:    issuer.AllowUnboundConfirmation,
		FirstPartyClients:           firstPartyClients(&issuer, s.config.Console),
		Algorithms:                  issuer.Algorithms,
		Kinds:                       issuer.Kinds,
		MaxTokenBytes:               issuer.MaxTokenBytes,
		Skew:                        issuer.Skew,
		MaxLifetime:                 issuer.MaxLifetime,
	}, nil
}

// warnOf logs the settings that weaken a check.
func (s *Server) warnOf(issuer *settings.Issuer) {
	if issuer.AcceptsAnyAudience() {
		s.log.Warn("tokens of this issuer are accepted for any service; this is for development alone",
			"issuer", issuer.URL, "remedy", "set audiences or authorized_parties")
	}
	if issuer.AllowUnboundConfirmation {
		s.log.Warn("tokens of this issuer that are bound to a key are accepted from anybody who has them", "issuer", issuer.URL, "setting", "allow_unbound_cnf")
	}
	if issuer.InsecureHTTP {
		s.log.Warn("keys of this issuer may come over plain http; an attacker who can change the traffic can make tokens", "issuer", issuer.URL, "setting", "insecure_http")
	}
}

// VerifyToken verifies a token as a Server with this Config would, and returns its
// identity. It does not check revocations, which only the running server knows. It
// fetches the issuer's keys and ends when ctx does. It writes neither log nor file.
//
// Its error is an *auth.Error where the token is not accepted, and a
// *[settings.Error] where the Config is at fault.
func VerifyToken(ctx context.Context, config settings.Config, token string) (*auth.Identity, error) {
	verifier, closeKeys, err := openVerifier(ctx, config)
	if err != nil {
		return nil, err
	}
	defer closeKeys()
	return verifier.Verify(ctx, token)
}

// ExplainToken makes the checks of VerifyToken, and goes on after one has failed: see
// [token.Verifier.Explain]. The identity is nil where the token is not accepted. The error
// is a *[settings.Error] where the Config is at fault.
func ExplainToken(ctx context.Context, config settings.Config, raw string) (token.Explanation, *auth.Identity, error) {
	verifier, closeKeys, err := openVerifier(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	defer closeKeys()
	explanation, id := verifier.Explain(ctx, raw)
	if explanation.Refusal() != nil {
		return explanation, nil, nil
	}
	return explanation, id, nil
}

// openVerifier returns what verifies the tokens of a Server with this Config, and what ends
// the fetching of keys.
func openVerifier(ctx context.Context, c settings.Config) (*token.Verifier, func(), error) {
	if faults := c.Faults(); len(faults) > 0 {
		return nil, nil, &settings.Error{Faults: faults}
	}
	s := &Server{config: c.WithDefaults(), log: slog.New(slog.DiscardHandler), snapshotsReadOnly: true} // a server may be using them
	closeKeys := func() { _ = s.closeKeys() }
	verifier, err := s.buildVerifier() //nolint:contextcheck // keys are fetched until closeKeys
	if err != nil {
		closeKeys()
		return nil, nil, err
	}
	s.awaitKeys(ctx)
	return verifier, closeKeys, nil
}

// maxAwaitKeys is how long the keys of a snapshot are not used by who verifies one token, since
// the issuer may have newer ones.
const maxAwaitKeys = 2 * time.Second

// awaitKeys waits until each issuer with a snapshot has been asked once for its keys.
func (s *Server) awaitKeys(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxAwaitKeys)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, source := range s.keys {
		for source.remote != nil && source.remote.Ready() {
			if status := source.remote.Status(); status.SuccessfulFetches+status.FailedFetches > 0 {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// firstPartyClients are the clients through which users act in person; that of the console is
// one where there is a console.
func firstPartyClients(i *settings.Issuer, console settings.Console) []string {
	if !console.Enabled || i.Console.ClientID == "" || slices.Contains(i.FirstPartyClients, i.Console.ClientID) {
		return i.FirstPartyClients
	}
	return append(slices.Clone(i.FirstPartyClients), i.Console.ClientID)
}

// openKeys opens the issuer's key set. The remote is nil where the key was given.
func (s *Server) openKeys(issuer *settings.Issuer) (jwks.Set, *jwks.Remote, error) {
	if issuer.JWTKey != "" {
		set, err := jwks.ParsePEM([]byte(issuer.JWTKey))
		return set, nil, err
	}
	config := issuer.RemoteConfig()
	config.Now, config.Logger, config.SnapshotReadOnly = s.config.Now, s.log, s.snapshotsReadOnly
	remote, err := jwks.NewRemote(config)
	return remote, remote, err
}

// feedSource is where the changes of the feed come from.
func (s *Server) feedSource() feed.Source {
	if s.relay != nil {
		return feed.Relay(s.relay)
	}
	return feed.Hub(s.ledger, longestLifetime(s.config))
}

// followersOf reads the settings. Their faults are found before.
func followersOf(c settings.Config) (feed.Followers, error) {
	secrets, err := c.FeedSecrets()
	return feed.NewFollowers(c.FeedPermission, secrets), err
}
