package server

import (
	"context"
	"fmt"
	"sync/atomic"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

// Reload takes over what can be changed while the Server runs: Rules, OperatorSubjects,
// OperatorPermission, Backends with their images, and secrets with the files that they are in, those of FeedSecret,
// ClerkWebhookSecret, Signals, Follow, and SecretKey of an Issuer. One that was not set at the
// start, or is no longer, needs a new Server, as does a secret with which events of a stream
// are pushed, since the transmitter has it too. What else has changed in the Config is left as it
// was. It also reads the files of the TLS certificate, as ReloadCertificate does.
//
// Calls are decided by the new rules from then on, and open streams with the next token of
// their caller's session. A follower that is connected with a secret that is there no longer
// stays until it connects again, and a stream shows its caller what an operator may see until it
// ends.
//
// If the Config has faults nothing of it is taken over, and the error is a *[settings.Error].
func (s *Server) Reload(c settings.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.ReloadCertificate()
	if faults := c.Faults(); len(faults) > 0 {
		return &settings.Error{Faults: faults}
	}
	rules, err := s.rulesOf(c)
	if err != nil {
		return err
	}
	followers, err := followersOf(c)
	if err != nil {
		return err
	}
	backends, err := readBackends(c.WithDefaults())
	if err != nil {
		return err
	}
	replaceSecrets, err := s.newSecrets(c)
	if err != nil {
		return err
	}
	if err := s.publishMetadata(rules.Scopes()); err != nil {
		return err
	}
	s.backends.Replace(backends)
	access, err := newAccessService(rules, s.backends.States(), s.operators, s.followers)
	if err != nil {
		return err
	}
	for _, replace := range replaceSecrets {
		replace()
	}
	s.operators.Store(operatorsOf(c).Load())
	s.followers.ReplaceSecrets(followers)
	s.rules.Store(rules)
	s.access.Store(access)
	s.logRules(rules)
	return nil
}

// newSecrets reads the secrets of a faultless Config, and returns what puts them in force. It
// changes nothing by itself.
func (s *Server) newSecrets(config settings.Config) (replace []func(), err error) {
	if s.followTokens != nil && config.Follow.IsSet() {
		follow := s.config.Follow
		follow.Secret, follow.SecretFile = config.Follow.Secret, config.Follow.SecretFile
		source, err := follow.Source(s.config.Now)
		if err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
		replace = append(replace, func() { s.followTokens.Replace(source) })
	}
	for _, issuer := range config.Issuers {
		key, err := issuer.ReadSecretKey()
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", issuer.URL, err)
		}
		if clerk := s.enders[issuer.URL]; clerk != nil && key != "" {
			replace = append(replace, func() {
				if clerk.SetSecretKey(key) {
					s.ledger.ResumeSignOuts(issuer.URL)
				}
			})
		}
	}
	more, err := s.inbox.NewSecrets(config)
	return append(replace, more...), err
}

// ReloadCertificate reads the files of the TLS certificate at once, which is done every few
// seconds in any case.
func (s *Server) ReloadCertificate() { s.certificate.Reload() }

// rulesOf returns the rules of the settings, on the clock of the server.
func (s *Server) rulesOf(c settings.Config) (*policy.Policy, error) {
	return settings.Rules(append(append([]policy.Option(nil), c.Rules...), policy.Now(s.config.Now))...)
}

// logRules names the rules that are not those of the schema.
func (s *Server) logRules(rules *policy.Policy) {
	for _, entry := range rules.Entries() {
		if entry.Origin.Source == policy.SourceSettings {
			s.log.Info("a rule of the settings is in force", "procedure", entry.Procedure, "access", entry.Access(), "file", entry.Origin.File)
		}
	}
}

// liveRules are those in force. Each call is decided by one of them alone.
type liveRules struct{ atomic.Pointer[policy.Policy] }

// Rule implements auth.Policy.
func (l *liveRules) Rule(procedure string) auth.Rule { return l.Load().Rule(procedure) }

// source returns where the rule of a procedure came from; "" where it has none.
func (l *liveRules) source(procedure string) string {
	if entry, ok := l.Load().Entry(procedure); ok {
		return entry.Origin.String()
	}
	return ""
}

// liveAccess is the AccessService about the rules in force.
type liveAccess struct{ atomic.Pointer[accessService] }

// ListMethodRules implements both the connect and the grpc-go interface.
func (l *liveAccess) ListMethodRules(ctx context.Context, req *accessv1.ListMethodRulesRequest) (*accessv1.ListMethodRulesResponse, error) {
	return l.Load().ListMethodRules(ctx, req)
}

// ExplainAccess implements both the connect and the grpc-go interface.
func (l *liveAccess) ExplainAccess(ctx context.Context, req *accessv1.ExplainAccessRequest) (*accessv1.ExplainAccessResponse, error) {
	return l.Load().ExplainAccess(ctx, req)
}

// ListBackends implements both the connect and the grpc-go interface.
func (l *liveAccess) ListBackends(ctx context.Context, req *accessv1.ListBackendsRequest) (*accessv1.ListBackendsResponse, error) {
	return l.Load().ListBackends(ctx, req)
}

// GetBackendSchema implements both the connect and the grpc-go interface.
func (l *liveAccess) GetBackendSchema(ctx context.Context, req *accessv1.GetBackendSchemaRequest) (*accessv1.GetBackendSchemaResponse, error) {
	return l.Load().GetBackendSchema(ctx, req)
}
