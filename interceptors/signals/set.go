package signals

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// maxEvents bounds the events in one token. Several are allowed where they are names of
// one and the same event (SSF 1.0, section 4.2.1).
const maxEvents = 8

// The types of events that mean something here, by what their URIs begin with.
const (
	caepEvents  = "https://schemas.openid.net/secevent/caep/event-type/"
	riscEvents  = "https://schemas.openid.net/secevent/risc/event-type/"
	ssfEvents   = "https://schemas.openid.net/secevent/ssf/event-type/"
	oauthEvents = "https://schemas.openid.net/secevent/oauth/event-type/"
)

// An eventReader verifies the security event tokens of one transmitter and says what they
// revoke.
type eventReader struct {
	config   SecurityEventsConfig
	verifier *token.Verifier
	issuers  map[string]EventIssuer // by each spelling
}

// A securityEvent is one of those in a token.
type securityEvent struct {
	kind    string // its URI
	members strictjson.Object
	subject strictjson.Value // sub_id, or what is within the event where there is none
	inner   strictjson.Value // the older form within the event, beside sub_id
	time    time.Time        // when it happened
}

// read verifies a security event token. The error is a *refusal, or any other when it is to
// be sent again.
func (r *eventReader) read(ctx context.Context, raw string) (Message, error) {
	signed, err := r.verifier.VerifyMessage(ctx, raw)
	if err != nil {
		return Message{}, refusedBy(err)
	}
	message, err := r.judge(ctx, signed)
	if refused, ok := err.(*refusal); ok { //nolint:errorlint // it is ours, and not wrapped
		refused.signed = true
	}
	return message, err
}

// judge holds what the transmitter has signed against the profile (SSF 1.0, section 4.1;
// RFC 8417, section 2.2), and says what it means.
func (r *eventReader) judge(ctx context.Context, signed token.Message) (Message, error) {
	claims, err := strictjson.Parse(nil, signed.Claims)
	if err != nil {
		return Message{}, invalid("its claims cannot be read")
	}
	audiences := r.config.Audiences
	if len(audiences) == 0 {
		if audiences = r.config.Stream.audience(); len(audiences) == 0 {
			return Message{}, errNoStream
		}
	}
	untyped := r.config.AllowUntyped && (signed.Type == "" || strings.EqualFold(signed.Type, "JWT"))
	switch {
	case !untyped && !strings.EqualFold(signed.Type, "secevent+jwt"):
		return Message{}, invalid("the typ of its header is not secevent+jwt")
	case claims.Get("exp") != "" || claims.Get("sub") != "":
		return Message{}, invalid("it has exp or sub, which no security event token has")
	case !slices.ContainsFunc(signed.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return Message{}, refuseAs("invalid_audience", "it is not for this receiver", nil)
	case signed.IssuedAt.IsZero():
		return Message{}, invalid("it has no iat")
	case signed.ID == "":
		return Message{}, invalid("it has no jti")
	}
	events, err := eventsOf(claims, signed.IssuedAt)
	if err != nil {
		return Message{}, err
	}
	message := Message{ID: signed.ID, Type: events[0].kind, Issuer: r.config.Transmitter, Time: events[0].time}
	for _, e := range events {
		revocations, err := r.effect(ctx, e)
		if err != nil {
			return Message{}, err
		}
		if len(message.Revocations) == 0 && len(revocations) > 0 {
			message.Type, message.Issuer, message.Time = e.kind, revocations[0].Issuer, e.time
		}
		message.Revocations = append(message.Revocations, revocations...)
	}
	return message, nil
}

// eventsOf returns the events in a token, at least one.
func eventsOf(claims strictjson.Object, issued time.Time) ([]securityEvent, error) {
	members, ok := claims.Get("events").Members(nil)
	if !ok || len(members) == 0 || len(members) > maxEvents {
		return nil, invalid("its events are no object of one event")
	}
	happened := issued
	if toe, ok := seconds(claims.Get("toe")); ok && toe.Before(issued) && !toe.Before(earliest) {
		happened = toe
	}
	events := make([]securityEvent, len(members))
	for i, member := range members {
		payload, ok := member.Value.Members(nil)
		if !ok {
			return nil, invalid("an event of it is no object")
		}
		e := securityEvent{kind: member.Name, members: payload, subject: claims.Get("sub_id"), inner: payload.Get("subject"), time: happened}
		if e.subject == "" {
			e.subject, e.inner = e.inner, ""
		}
		// Some write milliseconds, 0, or what a wrong clock says: what lies after iat, or long
		// before tokens of today, is not believed.
		if v := payload.Get("event_timestamp"); v != "" {
			if !v.IsNumber() {
				return nil, invalid("its event_timestamp is no number")
			}
			if t, ok := seconds(v); ok && t.Before(issued) && !t.Before(earliest) {
				e.time = t
			}
		}
		events[i] = e
	}
	return events, nil
}

// effect returns what an event revokes; nothing where it means nothing here.
func (r *eventReader) effect(ctx context.Context, e securityEvent) ([]revocation.Revocation, error) {
	switch e.kind {
	case caepEvents + "session-revoked":
		s, err := r.subjectOf(e)
		if err != nil {
			return nil, err
		}
		return r.endSession(s, e.time)
	case riscEvents + "sessions-revoked", riscEvents + "account-disabled", oauthEvents + "tokens-revoked":
		return r.endUser(e, false)
	case riscEvents + "account-purged":
		return r.endUser(e, true)
	case caepEvents + "credential-change", riscEvents + "credential-compromise":
		return r.credential(ctx, e)
	case ssfEvents + "verification", riscEvents + "verification":
		return nil, r.verification(e)
	case ssfEvents + "stream-updated":
		return nil, r.streamUpdated(ctx, e)
	default:
		return nil, nil
	}
}

// endSession revokes the most exact of what a subject names.
func (r *eventReader) endSession(s subject, happened time.Time) ([]revocation.Revocation, error) {
	switch {
	case s.token != named{}:
		return []revocation.Revocation{{Kind: revocation.TargetToken, Issuer: s.token.issuer, ID: s.token.id}}, nil
	case s.session != named{} && r.issuers[s.session.issuer].SessionsInTokens:
		ended := revocation.Revocation{Kind: revocation.TargetSession, Issuer: s.session.issuer, ID: s.session.id}
		if s.session != s.user {
			return []revocation.Revocation{ended}, nil
		}
		user, err := r.userUntil(s.user, happened) // the id is the one's or the other's
		return []revocation.Revocation{ended, user}, err
	case s.user != named{}:
		user, err := r.userUntil(s.user, happened)
		return []revocation.Revocation{user}, err
	case s.session != named{}:
		return nil, invalid("it names a session and no user that tokens are known by, and the tokens of its issuer do not name their session here")
	default:
		return nil, s.unusable()
	}
}

// endUser revokes the tokens of a user that were issued until the event, or all.
func (r *eventReader) endUser(e securityEvent, forGood bool) ([]revocation.Revocation, error) {
	s, err := r.subjectOf(e)
	if err != nil {
		return nil, err
	}
	if s.user == (named{}) {
		return nil, s.unusable()
	}
	if forGood {
		return []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: s.user.issuer, ID: s.user.id, AllTokens: true}}, nil
	}
	user, err := r.userUntil(s.user, e.time)
	return []revocation.Revocation{user}, err
}

func (r *eventReader) userUntil(user named, happened time.Time) (revocation.Revocation, error) {
	before, err := issuedUntil(happened, r.config.Now())
	return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: user.issuer, ID: user.id, Before: before}, err
}

var (
	credentialTypes = []string{
		"password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f", "verifiable-credential", "phone-voice", "phone-sms", "app",
	}
	changeTypes = []string{"create", "revoke", "update", "delete"}
)

// credential judges the change or the compromise of a credential.
func (r *eventReader) credential(ctx context.Context, e securityEvent) ([]revocation.Revocation, error) {
	kind, ok := e.members.Get("credential_type").Text()
	if !ok {
		return nil, invalid("it has no credential_type")
	}
	change := "compromise"
	if e.kind == caepEvents+"credential-change" {
		if change, ok = e.members.Get("change_type").Text(); !ok || !slices.Contains(changeTypes, change) {
			return nil, invalid("its change_type is missing or unknown")
		}
	}
	if change == "create" || !slices.Contains(r.config.CredentialTypes, kind) {
		if !slices.Contains(credentialTypes, kind) {
			kind = "another"
		}
		r.config.Logger.InfoContext(ctx, "the change of a credential ends nothing", "source", r.config.Name, "credential_type", kind, "change_type", change)
		return nil, nil
	}
	return r.endUser(e, false)
}

// errNoStream is that an event has come before it is known whom it must be for.
var errNoStream = errors.New("the stream of events is not known yet")

// verification takes the event by which a transmitter shows that its stream works (SSF 1.0,
// section 8.1.4). Where the stream is not managed here, somebody else has asked for it.
func (r *eventReader) verification(e securityEvent) error {
	if r.config.Stream == nil {
		return nil
	}
	state := e.members.Get("state")
	text, ok := state.Text()
	if state != "" && !ok {
		return invalid("its state is no string")
	}
	return r.config.Stream.verified(streamOf(e), text)
}

var streamStates = []string{"enabled", "paused", "disabled"}

// streamUpdated notes that the transmitter has stopped or resumed its stream (SSF 1.0,
// section 8.1.5).
func (r *eventReader) streamUpdated(ctx context.Context, e securityEvent) error {
	status, _ := e.members.Get("status").Text()
	if !slices.Contains(streamStates, status) {
		return invalid("its status is missing or unknown")
	}
	if r.config.Stream != nil {
		if err := r.config.Stream.updated(streamOf(e), status); err != nil {
			return err
		}
	}
	level := slog.LevelWarn
	if status == "enabled" {
		level = slog.LevelInfo
	}
	r.config.Logger.Log(ctx, level, "the transmitter has changed the status of the stream", "source", r.config.Name, "status", status)
	return nil
}

// streamOf returns the id of the stream that an event is about; "" if it names none.
func streamOf(e securityEvent) string {
	members, ok := e.subject.Members(nil)
	if !ok || formatOf(members) != "opaque" {
		return ""
	}
	id, _ := members.Get("id").Text()
	return id
}

func invalid(message string) *refusal { return refuseAs("invalid_request", message, nil) }

// seconds reads a NumericDate (RFC 7519, section 2) of a year up to 9999.
func seconds(v strictjson.Value) (time.Time, bool) {
	const latest = 253402300799
	if !v.IsNumber() {
		return time.Time{}, false
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || n < 0 || n > latest {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(n)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
