package policy

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logtext"
)

// compared returns what is missing together with what the token has instead, for logs. The
// explanation of a rule ([Policy.Explain]) does not have it, since callers can read that.
func compared(r requirement, id *auth.Identity, missing error) error {
	var kind string
	var wanted, held []string
	switch r := r.(type) {
	case anyRole:
		kind, wanted, held = "roles", r, id.Roles
	case allPermissions:
		kind, wanted, held = "permissions", r, id.Permissions
	case allScopes:
		kind, wanted, held = "scopes", r, id.Scopes
	case anyFeature:
		kind, wanted, held = "features", r, id.Features
	case anyPlan:
		kind, wanted, held = "plans", r, id.Plans
	case reverification:
		return fmt.Errorf("%w; the token has %s", missing, verified(id))
	default:
		return missing
	}
	text := "the rule asks for the " + kind + " " + logtext.List(wanted) + ", and the token has " + logtext.List(held)
	for _, name := range held {
		if by := logtext.NearMiss(withoutOrg(name), wantedNames(wanted)); by != "" {
			text += "; " + logtext.Quoted(name) + " " + by
			break
		}
	}
	return fmt.Errorf("%w; %s", missing, text)
}

// Names compare alike with org: and without.
func withoutOrg(name string) string { return strings.TrimPrefix(name, "org:") }

func wantedNames(wanted []string) []string {
	names := make([]string, len(wanted))
	for i, name := range wanted {
		names[i] = withoutOrg(name)
	}
	return names
}

// verified says how and when the caller was verified.
func verified(id *auth.Identity) string {
	parts := []string{"iat " + logtext.Time(id.IssuedAt), "auth_time " + logtext.Time(id.AuthTime), "acr " + logtext.Quoted(id.ACR)}
	if ages := id.FactorAges; ages != nil {
		parts = append(parts, fmt.Sprintf("factors that were verified %v and %v before iat, where less than 0 is never", ages.First, ages.Second))
	}
	return strings.Join(parts, ", ")
}
