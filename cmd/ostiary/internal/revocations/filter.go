package revocations

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
)

// A filter says which revocations to show. A field that is zero is not asked about.
type filter struct {
	kinds                      []string
	subject, issuer, query, by string
	byNobody                   bool
	since                      time.Duration
}

const kindPrefix = "TARGET_KIND_"

func (f *filter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "only revocations of these `kinds` of targets: session, subject, token, client, machine, organization, member or issuer")
	cmd.Flags().StringVar(&f.subject, "subject", "", "only revocations that name this `subject`: the user or machine itself, the member, or whose session it is")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only revocations of tokens of this `issuer`")
	cmd.Flags().StringVar(&f.query, "query", "", "only revocations whose name, subject, cause, or subject of who has revoked contains this `text`")
	cmd.Flags().StringVar(&f.by, "by", "", "only revocations by this `subject`, or user of the operating system")
	cmd.Flags().BoolVar(&f.byNobody, "by-nobody", false, "only revocations that nobody has made, such as those of signals")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only revocations that were made in this `time`, such as 2h")
}

func (f *filter) check(flags *pflag.FlagSet) error {
	wrong := usage.NotEmpty(flags, "subject", "issuer", "query", "by")
	for i, name := range f.kinds {
		if kind(name) == revocationv1.TargetKind_TARGET_KIND_UNSPECIFIED {
			wrong = errors.Join(wrong, fmt.Errorf("--kind is %q; write session, subject, token, client, machine, organization, member or issuer", f.kinds[i]))
		}
	}
	if f.byNobody && f.by != "" {
		wrong = errors.Join(wrong, errors.New("--by and --by-nobody are both given; keep one of them"))
	}
	if f.since < 0 {
		wrong = errors.Join(wrong, fmt.Errorf("--since is %s; write a time such as 2h", f.since))
	}
	return wrong
}

// kind returns the kind by a name; unspecified for a name that there is not.
func kind(name string) revocationv1.TargetKind {
	return revocationv1.TargetKind(revocationv1.TargetKind_value[kindPrefix+strings.ToUpper(name)])
}

func (f *filter) message() *revocationv1.ListRevocationsFilter {
	message := &revocationv1.ListRevocationsFilter{Issuer: client.Given(f.issuer), Subject: client.Given(f.subject), Query: f.query, BySubject: client.Given(f.by)}
	if f.byNobody {
		message.BySubject = new(string)
	}
	for _, name := range f.kinds {
		message.Kinds = append(message.Kinds, kind(name))
	}
	if f.since > 0 {
		message.CreatedSinceTime = timestamppb.New(time.Now().Add(-f.since))
	}
	return message
}

// target returns the kind of what is revoked, its name, whose it is, and its issuer. A kind of a
// later version is unknown.
func target(t *revocationv1.Target) (kind, name, subject, issuer string) {
	switch of := t.GetTarget().(type) {
	case *revocationv1.Target_Session:
		return "session", of.Session.GetSessionId(), cmp.Or(of.Session.GetSubject(), "any subject"), of.Session.GetIssuer()
	case *revocationv1.Target_Subject:
		return "subject", of.Subject.GetSubject(), "", of.Subject.GetIssuer()
	case *revocationv1.Target_Token:
		return "token", of.Token.GetTokenId(), "", of.Token.GetIssuer()
	case *revocationv1.Target_Client:
		return "client", of.Client.GetClientId(), "", of.Client.GetIssuer()
	case *revocationv1.Target_Machine:
		return "machine", of.Machine.GetSubject(), "", of.Machine.GetIssuer()
	case *revocationv1.Target_Organization:
		return "organization", of.Organization.GetOrganizationId(), "", of.Organization.GetIssuer()
	case *revocationv1.Target_Member:
		return "member", of.Member.GetOrganizationId(), of.Member.GetSubject(), of.Member.GetIssuer()
	case *revocationv1.Target_EntireIssuer:
		return "issuer", "", "", of.EntireIssuer.GetIssuer()
	default:
		return "unknown", "", "", ""
	}
}

// by says who or what has made a revocation.
func by(origin *revocationv1.Origin) string {
	switch of := origin.GetOrigin().(type) {
	case *revocationv1.Origin_Caller:
		return who(of.Caller)
	case *revocationv1.Origin_Signal:
		return "signal of " + of.Signal.GetSource()
	case *revocationv1.Origin_BulkImport:
		return "import by " + who(of.BulkImport.GetCaller())
	case *revocationv1.Origin_System:
		if user := of.System.GetUser(); user != "" {
			return user + " in the database"
		}
		return of.System.GetComponent()
	default:
		return ""
	}
}

// who names a caller, and who really acted.
func who(caller *revocationv1.Caller) string {
	if actor := caller.GetActor(); actor != nil {
		return caller.GetSubject() + " by " + actor.GetSubject()
	}
	return caller.GetSubject()
}
