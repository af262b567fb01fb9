package policy

import (
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// termsInWords says how long streams live; "" where they do as usual.
func termsInWords(terms auth.StreamTerms) string {
	var parts []string
	if terms.Lease != auth.Renewable {
		parts = append(parts, leaseInWords(terms.Lease))
	}
	if terms.MaxLifetime != 0 && terms.MaxLifetime != auth.DefaultMaxLifetime {
		parts = append(parts, "lives for "+short(terms.MaxLifetime)+" at most")
	}
	if len(parts) == 0 {
		return ""
	}
	return "the stream " + strings.Join(parts, " and ")
}

func leaseInWords(lease auth.LeaseMode) string {
	switch lease {
	case auth.UntilExpiry:
		return "ends with its token"
	case auth.Renewable:
		return "ends with its session"
	default:
		return "outlives its token"
	}
}

// short writes a duration without its zeros: 1h, and not 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
