package settings

import (
	"errors"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/internal/console"
)

// faults returns what is wrong with how the console signs in at an issuer.
func (c ConsoleClient) faults(issuer *Issuer) []Fault {
	var faults faultList
	add := faults.add
	if c.ClientID == "" {
		const alone = "says how the console signs in, which it does not; set %s too"
		if len(c.Scopes) > 0 {
			add("console_scopes", mentionf(alone, settingName("console_client_id")))
		}
		if c.Audience != "" {
			add("console_audience", mentionf(alone, settingName("console_client_id")))
		}
		if c.Resource != "" {
			add("console_resource", mentionf(alone, settingName("console_client_id")))
		}
		return faults
	}
	add("console_client_id", checkExact([]string{c.ClientID})...)
	add("console_client_id", checkSignInAt(issuer.URL))
	add("console_scopes", checkScopes(c.Scopes)...)
	if c.Resource != "" {
		add("console_resource", checkResource(c.Resource))
	}
	return faults
}

// checkSignInAt checks that a browser can sign in at an issuer: that it can be discovered, and
// that nobody can change what it says.
func checkSignInAt(iss string) error {
	u, err := url.Parse(iss)
	switch {
	case strings.Contains(iss, token.TenantPlaceholder):
		return mentionf("users sign in at one tenant, and %s stands for several; list the tenant as an issuer of its own", settingName("url"))
	case err != nil || u.Hostname() == "" || console.CallbackPath(iss) == "" || u.Scheme != "https" && u.Scheme != "http":
		return mentionf("nobody can sign in at an issuer that is no URL; correct %s, or remove this", settingName("url"))
	case u.Scheme == "http" && !loopback.Host(u.Hostname()):
		return mentionf("a browser would sign in over plain http, where the network can read and change everything; serve %s over https, or remove this", settingName("url"))
	default:
		return nil
	}
}

func checkScopes(scopes []string) []error {
	var faults []error
	for _, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, isBlank) {
			faults = append(faults, errors.New("a scope is empty or has white space in it; write each as an entry of its own"))
		}
	}
	return faults
}

// checkResource checks the form of a resource indicator (RFC 8707, section 2).
func checkResource(resource string) error {
	u, err := url.Parse(resource)
	if err != nil || !u.IsAbs() || u.Fragment != "" || strings.ContainsFunc(resource, isBlank) {
		return mentionf("must be an absolute URI without a fragment, such as https://api.example.com; where the issuer has names of another form, set %s instead", settingName("console_audience"))
	}
	return nil
}
