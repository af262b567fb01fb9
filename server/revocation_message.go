package server

import (
	"encoding/base64"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// revocationMessage is a revocation as id sees it: what made it and why is for
// operators, and for the subject that made it.
func revocationMessage(r store.Revocation, operators operators, id *auth.Identity) *revocationv1.Revocation {
	message := &revocationv1.Revocation{
		RevocationId:     base64.RawURLEncoding.EncodeToString(r.ID[:]),
		Target:           targetMessage(r.Target),
		IssuedBeforeTime: timeMessage(r.IssuedBefore),
		CreateTime:       timeMessage(r.CreatedAt),
		ExpireTime:       timeMessage(r.ExpiresAt),
	}
	if operators.mayKnowOrigin(id, r.Origin.Caller.Issuer, r.Origin.Caller.Subject) {
		message.Origin, message.Cause = originMessage(r.Origin), r.Cause
	}
	return message
}

// mayKnowOrigin reports whether id may know what made a revocation that a subject made,
// and why.
func (o operators) mayKnowOrigin(id *auth.Identity, issuer, subject string) bool {
	return o.include(id) || issuer == id.Issuer && subject == id.Subject
}

// targetMessage returns nil for a kind of target that it does not know.
func targetMessage(t store.Target) *revocationv1.Target {
	kind, _ := revocation.ParseTargetKind(t.Kind)
	switch kind {
	case revocation.TargetSession:
		return &revocationv1.Target{Target: &revocationv1.Target_Session{Session: sessionRef(t.Issuer, t.Value, t.Subject)}}
	case revocation.TargetSubject:
		return &revocationv1.Target{Target: &revocationv1.Target_Subject{Subject: &revocationv1.SubjectRef{Issuer: t.Issuer, Subject: t.Value}}}
	case revocation.TargetToken:
		return &revocationv1.Target{Target: &revocationv1.Target_Token{Token: &revocationv1.TokenRef{Issuer: t.Issuer, TokenId: t.Value}}}
	case revocation.TargetClient:
		return &revocationv1.Target{Target: &revocationv1.Target_Client{Client: &revocationv1.ClientRef{Issuer: t.Issuer, ClientId: t.Value}}}
	case revocation.TargetMachine:
		return &revocationv1.Target{Target: &revocationv1.Target_Machine{Machine: &revocationv1.MachineRef{Issuer: t.Issuer, Subject: t.Value}}}
	case revocation.TargetIssuer:
		return &revocationv1.Target{Target: &revocationv1.Target_EntireIssuer{EntireIssuer: &revocationv1.EntireIssuer{Issuer: t.Issuer}}}
	default:
		return nil
	}
}

// sessionRef names a session. An empty subject stands for any.
func sessionRef(issuer, id, subject string) *revocationv1.SessionRef {
	ref := &revocationv1.SessionRef{Issuer: issuer, SessionId: id}
	if subject == "" {
		ref.Owner = &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}}
	} else {
		ref.Owner = &revocationv1.SessionRef_Subject{Subject: subject}
	}
	return ref
}

func originMessage(origin store.Origin) *revocationv1.Origin {
	by := origin.Caller
	caller := &revocationv1.Caller{Issuer: by.Issuer, Subject: by.Subject, ClientId: by.ClientID, SessionId: by.SessionID, Actor: actorMessage(storedActor(by.Actor))}
	if origin.Kind == store.OriginImport {
		return &revocationv1.Origin{Origin: &revocationv1.Origin_BulkImport{BulkImport: &revocationv1.ImportOrigin{Caller: caller}}}
	}
	return &revocationv1.Origin{Origin: &revocationv1.Origin_Caller{Caller: caller}}
}

// storedActor returns nil for none.
func storedActor(actor store.Actor) *auth.Actor {
	if actor == (store.Actor{}) {
		return nil
	}
	return &auth.Actor{Issuer: actor.Issuer, Subject: actor.Subject, SessionID: actor.SessionID, Type: actor.Type}
}
