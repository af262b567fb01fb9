package policy

import (
	"strings"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// Names that auth.Identity takes for the same are compared in one spelling.

func kindNames(kinds []policyv1.Kind) []string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kindOf(kind).String()
	}
	return names
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

// scopedNames writes features and plans with the prefix org: or user:, or with
// none for either.
func scopedNames(names []string) []string {
	same := make([]string, len(names))
	for i, name := range names {
		scope, bare, _ := strings.Cut(name, ":")
		switch scope {
		case "o", "organization":
			name = "org:" + bare
		case "u":
			name = "user:" + bare
		}
		same[i] = name
	}
	return same
}

func sameName(a, b string) bool { return a == b }

// coversScoped reports whether whoever has the narrow one has the wide one too.
func coversScoped(wide, narrow string) bool {
	if wide == narrow {
		return true
	}
	_, bare, scoped := strings.Cut(narrow, ":")
	return scoped && bare == wide
}
