package settings

import (
	"fmt"
	"slices"
	"strings"
)

// OperatorSubject reads issuer#subject, or the subject alone where there is one
// issuer only. An issuer's URL has no fragment, so the first # is the one
// between them.
func (c Config) OperatorSubject(written string) (issuer, id string, err error) {
	issuer, id, found := strings.Cut(written, "#")
	var trusted []string
	for _, i := range c.Issuers {
		trusted = append(trusted, i.Names()...)
	}
	switch {
	case found && slices.Contains(trusted, issuer) && id != "":
		return issuer, id, nil
	case len(trusted) == 1 && written != "" && !strings.Contains(written, "://"):
		return trusted[0], written, nil
	default:
		return "", "", fmt.Errorf("%q does not say whose subject is meant; write issuer#subject, with one of the issuers that are given, such as https://clerk.example.com#user_1", written)
	}
}
