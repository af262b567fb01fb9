package ruleschema

import (
	"errors"
	"strings"
)

// The checks of names are more than an opinion about style: a rule with such a name
// refuses everybody.

// CheckRole says why nobody can have a role of this name; nil if somebody can.
func CheckRole(name string) error {
	bare := strings.TrimPrefix(name, "org:")
	if err := checkPlain(bare); err != nil {
		return err
	}
	if strings.HasPrefix(bare, ":") || strings.HasSuffix(bare, ":") {
		return errors.New("names no role: write it as admin or org:admin")
	}
	return nil
}

// CheckPermission says why nobody can have a permission of this name; nil if somebody can.
func CheckPermission(name string) error {
	if err := checkPlain(name); err != nil {
		return err
	}
	bare := strings.TrimPrefix(name, "org:")
	for part := range strings.SplitSeq(bare, ":") {
		if part == "" {
			return errors.New("names no permission: write it as org:invoices:read, or as your issuer does, with nothing left out between colons")
		}
	}
	return nil
}

// CheckScope says why nobody can have a scope of this name; nil if somebody can. RFC
// 6749, section 3.3, has the alphabet.
func CheckScope(name string) error {
	if name == "" {
		return errors.New("is empty, which nobody can have")
	}
	for _, c := range []byte(name) {
		if c < '!' || c > '~' || c == '"' || c == '\\' {
			return errors.New("is no scope (RFC 6749, section 3.3): name one scope, without spaces or quotes")
		}
	}
	return nil
}

// CheckACR says why no token can have this acr; nil if one can. It has the alphabet
// of acr_values, a list with spaces (OpenID Connect Core 1.0, section 3.1.2.1), as it
// stands in a challenge.
func CheckACR(name string) error {
	if CheckScope(name) != nil {
		return errors.New("is no class of authentication that a client can ask for: write one acr, without spaces or quotes")
	}
	return nil
}

// CheckFeature says why nobody can have a feature or plan of this name; nil if somebody can.
func CheckFeature(name string) error {
	if err := checkPlain(name); err != nil {
		return err
	}
	scope, bare, scoped := strings.Cut(name, ":")
	if !scoped {
		return nil
	}
	switch scope {
	case "o", "org", "organization", "u", "user":
	default:
		return errors.New("has a prefix that is unknown: use org: or user:, or none for either")
	}
	if bare == "" || strings.Contains(bare, ":") {
		return errors.New("names nothing: write it as invoices, org:invoices or user:invoices")
	}
	return nil
}

func checkPlain(name string) error {
	switch {
	case name == "":
		return errors.New("is empty, which nobody can have")
	case strings.Contains(name, "*"):
		return errors.New("has a wildcard, which is not supported; list each name")
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ',' }):
		return errors.New("holds a space, a comma or a control character, which nobody can have: name one to each string")
	default:
		return nil
	}
}
