package settings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// minFeedSecret is the length of the shortest secret of followers, in bytes.
const minFeedSecret = 32

// FeedSecrets returns FeedSecret, and what is in the FeedSecretFile.
func (c Config) FeedSecrets() ([]string, error) {
	if c.FeedSecretFile == "" {
		return c.FeedSecret, nil
	}
	more, err := secretsIn(c.FeedSecretFile)
	if err != nil {
		return nil, err
	}
	return slices.Concat(c.FeedSecret, more), nil
}

// secretsIn returns the secrets in a file.
func secretsIn(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secrets of followers: %w", err)
	}
	secrets := strings.Fields(string(text))
	if len(secrets) == 0 {
		return nil, errors.New("the file has no secret in it; write one with: openssl rand -hex 32")
	}
	return secrets, nil
}

// checkFeedPermission checks that a token can have the permission.
func (c Config) checkFeedPermission() error {
	all, known := capabilities(c.Issuers)
	machines := slices.ContainsFunc(all, func(i auth.IssuerCapabilities) bool { return slices.Contains(i.Kinds, auth.KindMachine) })
	if c.FeedPermission == "" || !known || machines {
		return nil
	}
	return errors.New("no issuer's tokens of machines are accepted, so nobody could have it; accept the kind machine of one")
}

// feedFaults returns what is wrong with the secrets, and repeats none of them.
func feedFaults(secrets []string) []error {
	var faults []error
	for i, secret := range secrets {
		switch {
		case len(secret) < minFeedSecret:
			faults = append(faults, fmt.Errorf("secret %d of %d has fewer than %d bytes; make one with: openssl rand -hex 32", i+1, len(secrets), minFeedSecret))
		case strings.ContainsFunc(secret, func(c rune) bool { return !bearerCharacter(c) }):
			faults = append(faults, fmt.Errorf("secret %d of %d has a character that a bearer token cannot have (RFC 6750, section 2.1); make one with: openssl rand -hex 32", i+1, len(secrets)))
		}
	}
	return faults
}

func bearerCharacter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~+/=", c)
}
