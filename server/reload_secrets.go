package server

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// liveTokens gives the tokens of another source when a secret has changed.
type liveTokens struct {
	current atomic.Pointer[authclient.TokenSource]
}

func newLiveTokens(source authclient.TokenSource) *liveTokens {
	l := new(liveTokens)
	l.replace(source)
	return l
}

// Token implements authclient.TokenSource.
func (l *liveTokens) Token(ctx context.Context) (string, error) {
	return (*l.current.Load()).Token(ctx)
}

func (l *liveTokens) replace(by authclient.TokenSource) { l.current.Store(&by) }

// newSecrets reads the secrets of a faultless Config, and returns what puts them in force. It
// changes nothing by itself.
func (s *Server) newSecrets(config Config) (replace []func(), err error) {
	if s.followTokens != nil && config.Follow.isSet() {
		follow := s.config.Follow
		follow.Secret, follow.SecretFile = config.Follow.Secret, config.Follow.SecretFile
		source, err := follow.Source(s.config.Now)
		if err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
		replace = append(replace, func() { s.followTokens.replace(source) })
	}
	for _, issuer := range config.Issuers {
		key, err := issuer.secretKey()
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
	for _, source := range config.allSources() {
		for i := range s.signals {
			if s.signals[i].name != source.Name || s.signals[i].settings.Kind != source.Kind {
				continue // one that was not there at the start, or was another
			}
			more, err := s.newSourceSecrets(&s.signals[i], source)
			if err != nil {
				return nil, fmt.Errorf("signals %s: %w", source.Name, err)
			}
			replace = append(replace, more...)
		}
	}
	return replace, nil
}

// newSourceSecrets is newSecrets for a source of messages of issuers. All but the secrets of it
// is as it was at the start.
func (s *Server) newSourceSecrets(running *signalSource, read SignalSource) (replace []func(), err error) {
	settings := running.settings
	settings.Secrets, settings.SecretsFile = read.Secrets, read.SecretsFile
	settings.ClientSecret, settings.ClientSecretFile = read.ClientSecret, read.ClientSecretFile
	if running.tokens != nil {
		tokens, err := settings.tokens(s.config.Now)
		if err != nil {
			return nil, err
		}
		if tokens != nil {
			replace = append(replace, func() { running.tokens.replace(tokens) })
		}
	}
	switch receiver := running.receiver.(type) {
	case *signals.Receiver:
		built, err := s.config.receiver(settings, running.keys, nil, signalSink{s.ledger})
		if err != nil {
			return nil, err
		}
		if by, ok := built.(*signals.Receiver); ok {
			replace = append(replace, func() { receiver.Replace(by) })
		}
	case pushedStream:
		secrets, err := withSecretsIn(settings.SecretsFile, settings.Secrets)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(bearers(secrets), receiver.events.Authorizations) {
			replace = append(replace, func() {
				s.log.Warn("a setting has changed that is taken over only by a restart", "setting", "signals."+running.name+".secrets")
			})
		}
	}
	return replace, nil
}
