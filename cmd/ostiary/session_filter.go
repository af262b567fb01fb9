package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A sessionFilter says which sessions to show. A field that is nil is not asked about.
type sessionFilter struct {
	subject, organization, issuer string
	noOrganization                bool
}

func (f *sessionFilter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "only sessions of this `subject`")
	cmd.Flags().StringVar(&f.organization, "organization", "", "only sessions in the organization with this `id`")
	cmd.Flags().BoolVar(&f.noOrganization, "no-organization", false, "only sessions in no organization")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only sessions of this `issuer`")
}

func (f *sessionFilter) check(flags *pflag.FlagSet) error {
	wrong := notEmpty(flags, "subject", "organization", "issuer")
	if f.noOrganization && f.organization != "" {
		wrong = errors.Join(wrong, errors.New("--organization and --no-organization are both given; keep one of them"))
	}
	return wrong
}

// organizationID is that of the requests: nil for any, and empty for none.
func (f *sessionFilter) organizationID() *string {
	if f.noOrganization {
		return new(string)
	}
	return given(f.organization)
}

// given returns nil for a flag that was not given.
func given(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
