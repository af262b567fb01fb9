package sessions

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

// A filter says which sessions to show. A field that is nil is not asked about.
type filter struct {
	subject, organization, issuer string
	noOrganization                bool
}

func (f *filter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "only sessions of this `subject`")
	cmd.Flags().StringVar(&f.organization, "organization", "", "only sessions in the organization with this `id`")
	cmd.Flags().BoolVar(&f.noOrganization, "no-organization", false, "only sessions in no organization")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only sessions of this `issuer`")
}

func (f *filter) check(flags *pflag.FlagSet) error {
	wrong := usage.NotEmpty(flags, "subject", "organization", "issuer")
	if f.noOrganization && f.organization != "" {
		wrong = errors.Join(wrong, errors.New("--organization and --no-organization are both given; keep one of them"))
	}
	return wrong
}

// organizationID is that of the requests: nil for any, and empty for none.
func (f *filter) organizationID() *string {
	if f.noOrganization {
		return new(string)
	}
	return client.Given(f.organization)
}
