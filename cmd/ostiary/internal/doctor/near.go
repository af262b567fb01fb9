package doctor

import (
	"strings"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/nearest"
)

// nearClerk returns the known variables that are like one of Clerk's, or begin it, as
// CLERK_JWT_AUD begins CLERK_JWT_AUDIENCE.
func nearClerk(name string, known []string) []string {
	for _, candidate := range known {
		if strings.HasPrefix(candidate, "CLERK_") && strings.HasPrefix(name, candidate) {
			return []string{candidate}
		}
	}
	return nearest.To(name, known)
}
