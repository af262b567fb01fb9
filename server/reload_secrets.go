package server

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/config"
	"github.com/ostiary/ostiary/server/internal/eventstream"
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
func (s *Server) newSecrets(config config.Config) (replace []func(), err error) {
	if s.followTokens != nil && config.Follow.IsSet() {
		follow := s.config.Follow
		follow.Secret, follow.SecretFile = config.Follow.Secret, config.Follow.SecretFile
		source, err := follow.Source(s.config.Now)
		if err != nil {
			return nil, fmt.Errorf("follow: %w", err)
		}
		replace = append(replace, func() { s.followTokens.replace(source) })
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
	for _, source := range config.Sources() {
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
func (s *Server) newSourceSecrets(running *signalSource, read config.SignalSource) (replace []func(), err error) {
	settings := running.settings
	settings.Secrets, settings.SecretsFile = read.Secrets, read.SecretsFile
	settings.ClientSecret, settings.ClientSecretFile = read.ClientSecret, read.ClientSecretFile
	if running.tokens != nil {
		tokens, err := settings.TokenSource(s.config.Now)
		if err != nil {
			return nil, err
		}
		if tokens != nil {
			replace = append(replace, func() { running.tokens.replace(tokens) })
		}
	}
	switch receiver := running.receiver.(type) {
	case *signals.Receiver:
		built, err := s.config.Receiver(settings, running.keys, nil, signalSink{s.ledger})
		if err != nil {
			return nil, err
		}
		if by, ok := built.(*signals.Receiver); ok {
			replace = append(replace, func() { receiver.Replace(by) })
		}
	case eventstream.Pushed:
		built, err := s.config.Receiver(settings, nil, nil, signalSink{s.ledger})
		if err != nil {
			return nil, err
		}
		if by, ok := built.(eventstream.Pushed); ok && !by.TakesSecretsOf(receiver.Stream) {
			replace = append(replace, func() {
				s.log.Warn("a setting has changed that is taken over only by a restart", "setting", "signals."+running.name+".secrets")
			})
		}
	}
	return replace, nil
}
