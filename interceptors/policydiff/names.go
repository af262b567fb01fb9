package policydiff

import (
	"slices"
	"strings"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// Names that auth.Identity takes for the same are compared in one spelling.

// kindNames returns none where all kinds are named, which is what no name means.
func kindNames(kinds []policyv1.Kind) []string {
	var names []string
	for _, kind := range kinds {
		if name := ruleschema.Kind(kind).String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for kind := range policyv1.Kind_name {
		if kind != 0 && !slices.Contains(kinds, policyv1.Kind(kind)) {
			return names
		}
	}
	return nil
}

// orgNames writes roles and permissions with their one org: prefix.
func orgNames(names []string) []string {
	same := make([]string, len(names))
	for i, name := range names {
		for strings.HasPrefix(name, "org:") {
			name = strings.TrimPrefix(name, "org:")
		}
		same[i] = "org:" + name
	}
	return same
}

// scopedNames writes features and plans with the prefix org: or user:, and one
// without prefix, which either meets, as both.
func scopedNames(names []string) []string {
	var same []string
	for _, name := range names {
		scope, bare, scoped := strings.Cut(name, ":")
		switch {
		case !scoped:
			same = append(same, orgScope+name, userScope+name)
		case scope == "o", scope == "organization":
			same = append(same, orgScope+bare)
		case scope == "u":
			same = append(same, userScope+bare)
		default:
			same = append(same, name)
		}
	}
	return same
}

// The prefixes of a feature or plan of the organization, and of the user.
const (
	orgScope  = "org:"
	userScope = "user:"
)

// alternatives writes names of which one is enough.
func alternatives(names []string) string { return ruleschema.Quoted(names, " or ") }

// scopedAlternatives writes those that scopedNames returns.
func scopedAlternatives(names []string) string { return alternatives(eitherScope(names)) }

// every writes names of which each counts, with the verb.
func every(names []string) string {
	if len(names) == 1 {
		return ruleschema.Quoted(names, "") + " is"
	}
	return ruleschema.Quoted(names, " and ") + " are"
}

// eitherScope is the opposite of scopedNames: what is there with both prefixes
// is written once, without.
func eitherScope(names []string) []string {
	var short []string
	for _, name := range names {
		if bare, is := strings.CutPrefix(name, userScope); is && slices.Contains(names, orgScope+bare) {
			name = bare
		} else if bare, is := strings.CutPrefix(name, orgScope); is && slices.Contains(names, userScope+bare) {
			name = bare
		}
		if !slices.Contains(short, name) {
			short = append(short, name)
		}
	}
	return short
}
