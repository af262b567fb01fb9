package auth

import "strings"

// HasFeature reports whether the caller has the feature. A bare name, such as
// invoices, is one of their organization's or one of their own; org:invoices
// asks for one of their organization's, user:invoices for one of their own. The
// prefixes o, organization and u are understood too; with any other nobody has
// it.
func (id *Identity) HasFeature(feature string) bool { return containsScoped(id.Features, feature) }

// HasPlan reports whether the caller is on the plan, named as for HasFeature.
func (id *Identity) HasPlan(plan string) bool { return containsScoped(id.Plans, plan) }

// containsScoped looks for want among names of the form scope:name, where the
// scope is o, u or both.
func containsScoped(have []string, want string) bool {
	letter, name, ok := parseScoped(want)
	if !ok {
		return false
	}
	for _, h := range have {
		scope, candidate, found := strings.Cut(h, ":")
		if !found {
			scope, candidate = "", h
		}
		if candidate == name && strings.Contains(scope, letter) {
			return true
		}
	}
	return false
}

// parseScoped returns the scope's letter, "" for either scope, and the name.
func parseScoped(want string) (letter, name string, ok bool) {
	scope, name, scoped := strings.Cut(want, ":")
	if !scoped {
		return "", want, want != ""
	}
	switch scope {
	case "o", "org", "organization":
		letter = "o"
	case "u", "user":
		letter = "u"
	}
	return letter, name, letter != "" && name != ""
}
