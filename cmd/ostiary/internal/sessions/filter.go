package sessions

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
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

// A listFilter says which sessions to list, and in which order.
type listFilter struct {
	filter

	query, service, order string
	states                []string
	unusedFor             time.Duration
}

// ownService stands for ostiary's own servers, as in the table.
const ownService = "ostiary"

var (
	states = map[string]sessionv1.SessionState{
		"active":  sessionv1.SessionState_SESSION_STATE_ACTIVE,
		"expired": sessionv1.SessionState_SESSION_STATE_EXPIRED,
		"revoked": sessionv1.SessionState_SESSION_STATE_REVOKED,
	}
	orders = map[string]sessionv1.SessionOrder{
		"newest":    sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_DESC,
		"oldest":    sessionv1.SessionOrder_SESSION_ORDER_FIRST_SEEN_ASC,
		"last-seen": sessionv1.SessionOrder_SESSION_ORDER_LAST_SEEN_DESC,
		"subject":   sessionv1.SessionOrder_SESSION_ORDER_SUBJECT,
	}
)

func (f *listFilter) addFlags(cmd *cobra.Command) {
	f.filter.addFlags(cmd)
	cmd.Flags().StringVar(&f.query, "query", "", "only sessions whose id, subject or organization begins with this `text`")
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "only sessions in one of these `states`: active, expired or revoked")
	cmd.Flags().StringVar(&f.service, "service", "", "only sessions that the service by this `name` has seen; "+ownService+" is the server itself")
	cmd.Flags().DurationVar(&f.unusedFor, "unused-for", 0, "only sessions that were not seen for this `time`, such as 8h")
	cmd.Flags().StringVar(&f.order, "order", "newest", "the `order`: newest or oldest, by first seen, last-seen or subject")
}

func (f *listFilter) check(flags *pflag.FlagSet) error {
	wrong := errors.Join(f.filter.check(flags), usage.NotEmpty(flags, "query", "service"))
	for _, state := range f.states {
		if _, known := states[state]; !known {
			wrong = errors.Join(wrong, fmt.Errorf("--state is %q; write active, expired or revoked", state))
		}
	}
	if _, known := orders[f.order]; !known {
		wrong = errors.Join(wrong, fmt.Errorf("--order is %q; write newest, oldest, last-seen or subject", f.order))
	}
	if f.unusedFor < 0 {
		wrong = errors.Join(wrong, fmt.Errorf("--unused-for is %s; write a time such as 8h", f.unusedFor))
	}
	return wrong
}

// request asks for the first page.
func (f *listFilter) request() *sessionv1.ListSessionsRequest {
	filter := &sessionv1.ListSessionsFilter{
		Issuer: client.Given(f.issuer), Subject: client.Given(f.subject), OrganizationId: f.organizationID(),
		Query: f.query, Service: client.Given(f.service),
	}
	if f.service == ownService {
		filter.Service = new(string)
	}
	for _, state := range f.states {
		filter.States = append(filter.States, states[state])
	}
	if f.unusedFor > 0 {
		filter.LastSeenBeforeTime = timestamppb.New(time.Now().Add(-f.unusedFor))
	}
	return &sessionv1.ListSessionsRequest{Filter: filter, Order: orders[f.order]}
}
