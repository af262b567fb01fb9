package server

import (
	"slices"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/server/internal/console"
	"github.com/ostiary/ostiary/server/internal/metrics"
	"github.com/ostiary/ostiary/server/settings"
)

// consoleConfig is what the page is served with.
func consoleConfig(c settings.Config) console.Config {
	version, _ := metrics.Built(c.Version, c.Revision)
	return console.Config{
		Enabled:        c.Console.Enabled,
		PublishableKey: c.Console.PublishableKey,
		Personas:       c.Console.Personas,
		Version:        version,
		Issuers:        signIns(c),
		Now:            c.Now,
		Log:            c.Logger,
	}
}

// signIns are the issuers at which the page signs users in.
func signIns(c settings.Config) []console.Issuer {
	var issuers []console.Issuer
	for _, issuer := range c.Issuers {
		if issuer.Console.ClientID == "" {
			continue
		}
		source := jwks.RemoteConfig{Issuer: issuer.URL, CAFile: issuer.CAFile}
		kinds := issuer.Kinds
		if len(kinds) == 0 {
			profile, _ := issuer.TokenProfile() // Faults has found it good
			kinds = profile.Kinds
		}
		issuers = append(issuers, console.Issuer{
			URL:          issuer.URL,
			ClientID:     issuer.Console.ClientID,
			Scopes:       issuer.Console.Scopes,
			Audience:     issuer.Console.Audience,
			Resource:     issuer.Console.Resource,
			TakesIDToken: slices.Contains(kinds, auth.KindID),
			Discover:     source.Discover,
		})
	}
	return issuers
}
