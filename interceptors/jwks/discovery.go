package jwks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// locate returns where the key set is: the configured URL, or the jwks_uri that
// the issuer's discovery document names (OpenID Connect Discovery 1.0, sections
// 4 and 4.3). It is read at each fetch, so a key set that moves is followed.
func (f fetcher) locate(ctx context.Context) (string, error) {
	if f.config.URL != "" {
		return f.config.URL, nil
	}
	location := strings.TrimSuffix(f.config.Issuer, "/") + "/.well-known/openid-configuration"
	body, _, err := f.get(ctx, location, "")
	if err != nil {
		return "", err
	}
	var metadata object
	if err := json.Unmarshal(withoutBOM(body), &metadata); err != nil {
		return "", fmt.Errorf("%s is not one JSON object: %w", location, err)
	}
	issuer, err := metadata.text("issuer")
	if err != nil {
		return "", fmt.Errorf("%s: %w", location, err)
	}
	if issuer != f.config.Issuer {
		return "", fmt.Errorf("%s is the document of issuer %q, not of %q: the two must be exactly alike", location, issuer, f.config.Issuer)
	}
	keys, err := metadata.text("jwks_uri")
	if err != nil {
		return "", fmt.Errorf("%s: %w", location, err)
	}
	if err := f.checkKeysURL(keys); err != nil {
		return "", fmt.Errorf("%s: %w", location, err)
	}
	return keys, nil
}

// checkKeysURL allows http only where the issuer itself is on http.
func (f fetcher) checkKeysURL(keys string) error {
	if err := f.config.checkURL("jwks_uri", keys); err != nil {
		return err
	}
	issuer, err := url.Parse(f.config.Issuer)
	if err != nil {
		return err
	}
	if location, err := url.Parse(keys); err != nil || issuer.Scheme == "https" && location.Scheme != "https" {
		return fmt.Errorf("jwks_uri %q: an https issuer must publish its keys over https", keys)
	}
	return nil
}
