package server

import (
	"fmt"

	"github.com/ostiary/ostiary/server/config"
)

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
