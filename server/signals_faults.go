package server

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/signals"
)

// clerkIssuers returns the URLs of the issuers that are Clerk's.
func (c Config) clerkIssuers() []string {
	var urls []string
	for _, issuer := range c.Issuers {
		if issuer.isClerk() {
			urls = append(urls, issuer.URL)
		}
	}
	return urls
}

// logoutIssuers returns the issuers that say who has signed out.
func (c Config) logoutIssuers() []signals.LogoutIssuer {
	var issuers []signals.LogoutIssuer
	for _, issuer := range c.Issuers {
		if logout := issuer.BackChannelLogout; len(logout.ClientIDs) > 0 {
			issuers = append(issuers, signals.LogoutIssuer{URL: issuer.URL, ClientIDs: logout.ClientIDs, SessionsInTokens: logout.SessionsInTokens})
		}
	}
	return issuers
}

// clerkWebhookSecrets returns those of the settings and of the file.
func (c Config) clerkWebhookSecrets() ([]string, error) {
	return withSecretsIn(c.ClerkWebhookSecretFile, c.ClerkWebhookSecret)
}

// withSecretsIn adds the secrets in a file, if one is given.
func withSecretsIn(path string, secrets []string) ([]string, error) {
	if path == "" {
		return secrets, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secrets: %w", err)
	}
	more := strings.Fields(string(text))
	if len(more) == 0 {
		return nil, errors.New("the file has no secret in it; write it there, on a line of its own")
	}
	return slices.Concat(secrets, more), nil
}

// signalFaults returns what is wrong with the sources of messages. It repeats no secret.
func (c Config) signalFaults() []Fault {
	var faults faultList
	add := faults.add
	if c.SignalsAddr != "" {
		add("signals_addr", checkAddr(c.SignalsAddr), c.checkSignalsAddr())
	}
	setting := "clerk_webhook_secret"
	if len(c.ClerkWebhookSecret) == 0 && c.ClerkWebhookSecretFile != "" {
		setting += "_file"
	}
	switch secrets, err := c.clerkWebhookSecrets(); {
	case err != nil:
		add("clerk_webhook_secret_file", err)
	case len(secrets) > 0:
		if n := len(c.clerkIssuers()); n != 1 {
			add(setting, fmt.Errorf("does not say of which issuer it is: %d are of Clerk; give the issuer, or where there are several, list each of them under signals in the YAML file, with its own secrets_file", n))
		}
		_, err := signals.NewClerk(signals.ClerkConfig{Issuer: "any", Secrets: secrets, Sink: signalSink{}})
		add(setting, each(err)...)
	}
	return append(faults, c.sourceFaults()...)
}

// each returns the errors that were joined.
func each(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range joined.Unwrap() {
				all = append(all, each(one)...)
			}
			return all
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (c Config) checkSignalsAddr() error {
	if !strings.HasSuffix(c.SignalsAddr, ":0") {
		for setting, addr := range map[settingName]string{"http_addr": c.HTTPAddr, "grpc_addr": c.GRPCAddr} {
			if addr == c.SignalsAddr && (setting != "http_addr" || c.HTTPListener == nil) {
				return mentionf("%s is %s already; messages of issuers need a port of their own, or leave it out", addr, setting)
			}
		}
	}
	if len(c.logoutIssuers()) == 0 && len(c.Signals) == 0 && len(c.ClerkWebhookSecret) == 0 && c.ClerkWebhookSecretFile == "" {
		return errors.New("nothing would be received there; configure a source of messages, or remove it")
	}
	return nil
}

// logoutFaults returns what is wrong with who may say that users have signed out.
func (i *Issuer) logoutFaults() []error {
	logout := i.BackChannelLogout
	if len(logout.ClientIDs) == 0 {
		if logout.SessionsInTokens {
			return []error{errors.New("no client is named, so no logout token is taken; write client_ids")}
		}
		return nil
	}
	faults := checkExact(logout.ClientIDs)
	profile, err := i.TokenProfile()
	switch {
	case err != nil: // a fault already
	case i.isSPIFFE():
		faults = append(faults, errors.New("a trust domain has no users who sign out; remove it"))
	case len(i.Tenants) > 0:
		faults = append(faults, errors.New("an issuer with tenants has no clients of its own; list the tenant that signs out as an issuer of its own"))
	case len(profile.Subject) > 0 && !profile.NamesSession() && !logout.SessionsInTokens:
		faults = append(faults, errors.New("access tokens name their user by another claim than sub, so no logout token could be acted on; set sessions_in_tokens if they name the session by sid, or remove it"))
	}
	return faults
}
