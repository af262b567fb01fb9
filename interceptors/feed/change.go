package feed

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// never is when a revocation expires that does not expire: the last second that a
// timestamp of the schema can have.
var never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

var errUnknownTarget = errors.New("its target is of a kind that this version does not know")

// knownCases counts the cases of changes and targets that were added to this package
// since its first version. A copy that was saved with fewer may lack some: its position
// is not used.
const knownCases = 3

// revocationOf returns a revocation as the list takes it. An error means that it cannot
// be added, and so that the copy cannot be complete.
func revocationOf(r *feedv1.Revoked) (revocation.Revocation, error) {
	added, err := targetOf(r.GetTarget())
	if err != nil {
		return revocation.Revocation{}, err
	}
	added.AllTokens, added.Expires = true, never
	if before := r.GetIssuedBeforeTime(); before != nil {
		if added.Before, err = timeOf(before); err != nil {
			return revocation.Revocation{}, fmt.Errorf("issued_before_time: %w", err)
		}
		added.AllTokens = false
	}
	if expires := r.GetExpireTime(); expires != nil {
		if added.Expires, err = timeOf(expires); err != nil {
			return revocation.Revocation{}, fmt.Errorf("expire_time: %w", err)
		}
	}
	return added, nil
}

func targetOf(t *revocationv1.Target) (revocation.Revocation, error) {
	switch t := t.GetTarget().(type) {
	case *revocationv1.Target_Session:
		r := revocation.Revocation{Kind: revocation.TargetSession, Issuer: t.Session.GetIssuer(), ID: t.Session.GetSessionId()}
		switch owner := t.Session.GetOwner().(type) {
		case *revocationv1.SessionRef_AnySubject:
			return r, nil
		case *revocationv1.SessionRef_Subject:
			r.Subject = owner.Subject
			if r.Subject != "" {
				return r, nil
			}
		}
		return revocation.Revocation{}, errors.New("its session has no owner that this version knows")
	case *revocationv1.Target_Subject:
		return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: t.Subject.GetIssuer(), ID: t.Subject.GetSubject()}, nil
	case *revocationv1.Target_Token:
		return revocation.Revocation{Kind: revocation.TargetToken, Issuer: t.Token.GetIssuer(), ID: t.Token.GetTokenId()}, nil
	case *revocationv1.Target_Client:
		return revocation.Revocation{Kind: revocation.TargetClient, Issuer: t.Client.GetIssuer(), ID: t.Client.GetClientId()}, nil
	case *revocationv1.Target_Machine:
		return revocation.Revocation{Kind: revocation.TargetMachine, Issuer: t.Machine.GetIssuer(), ID: t.Machine.GetSubject()}, nil
	case *revocationv1.Target_Organization:
		return revocation.Revocation{Kind: revocation.TargetOrganization, Issuer: t.Organization.GetIssuer(), ID: t.Organization.GetOrganizationId()}, nil
	case *revocationv1.Target_Member:
		return revocation.Revocation{Kind: revocation.TargetMember, Issuer: t.Member.GetIssuer(), ID: t.Member.GetOrganizationId(), Subject: t.Member.GetSubject()}, nil
	case *revocationv1.Target_EntireIssuer:
		return revocation.Revocation{Kind: revocation.TargetIssuer, Issuer: t.EntireIssuer.GetIssuer()}, nil
	default: // grants too
		return revocation.Revocation{}, errUnknownTarget
	}
}

// timeOf returns the time. The zero time.Time would mean that there is none.
func timeOf(t *timestamppb.Timestamp) (time.Time, error) {
	if err := t.CheckValid(); err != nil {
		return time.Time{}, err
	}
	if at := t.AsTime(); !at.IsZero() {
		return at, nil
	}
	return time.Time{}, errors.New("it is the year 1")
}

// revokedOf is the reverse of revocationOf, of a revocation that is in the list.
func revokedOf(r revocation.Revocation) *feedv1.Revoked {
	revoked := &feedv1.Revoked{Target: refOf(r)}
	if !r.AllTokens && r.Before.Before(never) {
		revoked.IssuedBeforeTime = timestamppb.New(r.Before)
	}
	if r.Expires.Before(never) {
		revoked.ExpireTime = timestamppb.New(r.Expires)
	}
	return revoked
}

func refOf(r revocation.Revocation) *revocationv1.Target {
	switch r.Kind {
	case revocation.TargetSession:
		ref := &revocationv1.SessionRef{Issuer: r.Issuer, SessionId: r.ID, Owner: &revocationv1.SessionRef_Subject{Subject: r.Subject}}
		if r.Subject == "" {
			ref.Owner = &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}}
		}
		return &revocationv1.Target{Target: &revocationv1.Target_Session{Session: ref}}
	case revocation.TargetSubject:
		return &revocationv1.Target{Target: &revocationv1.Target_Subject{Subject: &revocationv1.SubjectRef{Issuer: r.Issuer, Subject: r.ID}}}
	case revocation.TargetToken:
		return &revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: r.Issuer, TokenId: r.ID}}}
	case revocation.TargetClient:
		return &revocationv1.Target{Target: &revocationv1.Target_Client{Client: &revocationv1.ClientRef{Issuer: r.Issuer, ClientId: r.ID}}}
	case revocation.TargetMachine:
		return &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: r.Issuer, Subject: r.ID}}}
	case revocation.TargetOrganization:
		return &revocationv1.Target{Target: &revocationv1.Target_Organization{Organization: &revocationv1.OrganizationRef{Issuer: r.Issuer, OrganizationId: r.ID}}}
	case revocation.TargetMember:
		return &revocationv1.Target{Target: &revocationv1.Target_Member{Member: &revocationv1.MemberRef{Issuer: r.Issuer, OrganizationId: r.ID, Subject: r.Subject}}}
	case revocation.TargetIssuer:
		return &revocationv1.Target{Target: &revocationv1.Target_EntireIssuer{EntireIssuer: &revocationv1.EntireIssuer{Issuer: r.Issuer}}}
	default:
		return nil
	}
}
