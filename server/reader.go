package server

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	maxCause     = 500 // characters
	maxRequestID = 128
	// maxAhead is how far the caller's clock may be ahead of ours.
	maxAhead = time.Minute
)

// A reader reads what a request names, and collects what is wrong with it. Nothing is
// done with what it returns if there are faults.
type reader struct {
	ledger *ledger.Ledger
	faults rpcerror.Violations
}

// revocation reads a revocation that is asked for, whose fields have the prefix.
func (r *reader) revocation(prefix string, asked *revocationv1.NewRevocation) ledger.Request {
	before := len(r.faults.Fields())
	request := ledger.Request{Revocation: r.target(prefix+"target", asked.GetTarget()), Cause: asked.GetCause()}
	r.cause(prefix+"cause", asked.GetCause())
	switch extent := asked.GetExtent().(type) {
	case *revocationv1.NewRevocation_IssuedBeforeTime:
		request.Before = r.issuedBefore(prefix+"issued_before_time", request.Issuer, extent.IssuedBeforeTime)
	case *revocationv1.NewRevocation_AllTokens:
		request.AllTokens = true
	default:
		if request.Kind == revocation.TargetClient || request.Kind == revocation.TargetMachine {
			r.faults.Add(prefix+"extent", "missing; set issued_before_time for the tokens that were issued so far, or all_tokens to refuse those to come as well")
		}
	}
	if len(r.faults.Fields()) > before {
		return ledger.Request{}
	}
	prepared, err := r.ledger.Prepare(request)
	if err != nil {
		r.faults.Add(prefix+"target", "%v", err)
	}
	return prepared
}

// target reads what is to be revoked.
func (r *reader) target(path string, asked *revocationv1.Target) revocation.Revocation {
	switch target := asked.GetTarget().(type) {
	case *revocationv1.Target_Session:
		session := r.session(path+".session", target.Session)
		r.trusted(path+".session", session.Issuer)
		return revocation.Revocation{Kind: revocation.TargetSession, Issuer: session.Issuer, ID: session.ID, Subject: session.Subject}
	case *revocationv1.Target_Subject:
		subject := r.subject(path+".subject", target.Subject)
		r.trusted(path+".subject", subject.issuer)
		return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: subject.issuer, ID: subject.id}
	case *revocationv1.Target_Token:
		return r.named(revocation.TargetToken, path+".token", target.Token.GetIssuer(), "token_id", target.Token.GetTokenId())
	case *revocationv1.Target_Client:
		return r.named(revocation.TargetClient, path+".client", target.Client.GetIssuer(), "client_id", target.Client.GetClientId())
	case *revocationv1.Target_Machine:
		return r.named(revocation.TargetMachine, path+".machine", target.Machine.GetIssuer(), "subject", target.Machine.GetSubject())
	case *revocationv1.Target_EntireIssuer:
		issuer := target.EntireIssuer.GetIssuer()
		r.issuer(path+".entire_issuer", issuer)
		r.trusted(path+".entire_issuer", issuer)
		return revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: issuer}
	case *revocationv1.Target_Organization:
		return r.named(revocation.TargetOrganization, path+".organization", target.Organization.GetIssuer(), "organization_id", target.Organization.GetOrganizationId())
	case *revocationv1.Target_Member:
		member := r.named(revocation.TargetMember, path+".member", target.Member.GetIssuer(), "organization_id", target.Member.GetOrganizationId())
		member.Subject = target.Member.GetSubject()
		r.id(path+".member.subject", member.Subject)
		return member
	case *revocationv1.Target_Grant:
		r.faults.Add(path+".grant", "this version cannot revoke a grant; name the client or the subject")
	default:
		r.faults.Add(path, "missing; name what to revoke: a session, subject, token, client, machine, organization, member or entire_issuer")
	}
	return revocation.Revocation{}
}

func (r *reader) named(kind revocation.TargetKind, path, issuer, field, id string) revocation.Revocation {
	r.issuer(path, issuer)
	r.trusted(path, issuer)
	r.id(path+"."+field, id)
	return revocation.Revocation{Kind: kind, Issuer: issuer, ID: id}
}

// session reads the name of a session. Its Subject is empty for that of any subject.
func (r *reader) session(path string, asked *revocationv1.SessionRef) store.Session {
	r.issuer(path, asked.GetIssuer())
	r.id(path+".session_id", asked.GetSessionId())
	switch asked.GetOwner().(type) {
	case *revocationv1.SessionRef_Subject:
		r.id(path+".subject", asked.GetSubject())
	case *revocationv1.SessionRef_AnySubject:
	default:
		r.faults.Add(path+".subject", "missing; name the subject whose session it is, or set any_subject")
	}
	return store.Session{Issuer: asked.GetIssuer(), ID: asked.GetSessionId(), Subject: asked.GetSubject()}
}

// subject reads the name of a subject.
func (r *reader) subject(path string, asked *revocationv1.SubjectRef) subject {
	r.issuer(path, asked.GetIssuer())
	r.id(path+".subject", asked.GetSubject())
	return subject{asked.GetIssuer(), asked.GetSubject()}
}

func (r *reader) issuer(path, issuer string) {
	if issuer == "" {
		r.faults.Add(path+".issuer", "missing; write the exact iss claim of the tokens")
	}
}

// trusted checks that tokens of the issuer are accepted, so that there is something to
// revoke.
func (r *reader) trusted(path, issuer string) {
	if issuer != "" && !r.ledger.Trusts(issuer) {
		r.faults.Add(path+".issuer", "not one whose tokens are accepted here, so there is nothing to revoke; write the exact iss claim")
	}
}

func (r *reader) id(path, id string) {
	switch {
	case id == "":
		r.faults.Add(path, "missing; write it as the tokens have it")
	case len(id) > r.ledger.MaxIDBytes() || strings.ContainsFunc(id, unicode.IsControl):
		r.faults.Add(path, "too long, or with control characters in it, so no token can have it")
	}
}

func (r *reader) cause(path, cause string) {
	switch {
	case utf8.RuneCountInString(cause) > maxCause:
		r.faults.Add(path, "over %d characters; put it shorter", maxCause)
	case strings.ContainsFunc(cause, unicode.IsControl):
		r.faults.Add(path, "with control characters in it; write one line of plain text")
	}
}

func (r *reader) issuedBefore(path, issuer string, asked *timestamppb.Timestamp) time.Time {
	before := asked.AsTime()
	if asked.CheckValid() != nil || before.UnixMicro() <= 0 || before.After(r.ledger.IssuedByNow(issuer).Add(maxAhead)) {
		r.faults.Add(path, "must be later than 1970-01-01T00:00:00Z, and not in the future; write the instant up to which to revoke, such as now")
	}
	return before
}

func (r *reader) requestID(id string) {
	if len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return !visible(c) }) {
		r.faults.Add("request_id", "over %d characters, or not visible ASCII; send a UUID", maxRequestID)
	}
}

// visible reports whether a character is visible ASCII.
func visible(c rune) bool { return c >= 0x21 && c <= 0x7e }

// filter reads the fields of a filter, of which nil is not set.
func (r *reader) filter(issuer, subject, organization *string) store.Filter {
	filter := store.Filter{Organization: organization}
	for _, field := range []struct {
		path  string
		asked *string
		into  *string
	}{{"filter.issuer", issuer, &filter.Issuer}, {"filter.subject", subject, &filter.Subject}} {
		switch {
		case field.asked == nil:
		case *field.asked == "":
			r.faults.Add(field.path, "empty; leave it out for any")
		default:
			*field.into = *field.asked
		}
	}
	return filter
}
