package signals

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// maxAhead is how far the clock of a transmitter may be ahead of ours.
const maxAhead = 5 * time.Minute

// SecurityEventsConfig says whose security event tokens (RFC 8417) are believed, and of
// whom they may speak.
type SecurityEventsConfig struct {
	// Name is that of the source. Default: security-events.
	Name string
	// Transmitter is who sends the events: the exact iss of its tokens, a trailing slash
	// included. Required.
	Transmitter string
	// Keys are the transmitter's public keys, those at the jwks_uri of its metadata.
	// Required. They are often others than those of the issuer of the users' tokens.
	Keys jwks.Set
	// Algorithms are those that the transmitter may sign with (RFC 7518, section 3.1).
	// Default: those that OpenID Connect issuers use. MACs are never accepted.
	Algorithms []string
	// Audiences are the values of aud of which an event must have one: what the
	// transmitter calls this receiver, as in the configuration of the stream. Required,
	// unless there is a Stream, whose aud is the default.
	Audiences []string
	// Stream is the stream that the events come through, if it is managed here: verification
	// events must be those that it has asked for. Until it is there, events are to come
	// again. Optional.
	Stream *Stream
	// Issuers are the issuers of tokens of whose users and sessions the transmitter may
	// speak. An event about anybody else's is refused. At least one.
	Issuers []EventIssuer
	// OpaqueIssuer is the URL of the one of Issuers that the ids of format opaque belong
	// to, which name no issuer themselves. Default: the only one of Issuers; if there are
	// several, none, and these ids are refused unless a user of an issuer is named beside.
	OpaqueIssuer string
	// CriticalMembers are the critical_subject_members of the transmitter's metadata:
	// parts of a subject without which an event must not be acted on. Those of the Stream
	// are added. Optional.
	CriticalMembers []string
	// CredentialTypes are the types of credential whose change, revocation, deletion or
	// compromise ends what its user has open, such as password (CAEP 1.0, section 3.3.1).
	// Creation of one never does. Default: none, and the event is only logged.
	CredentialTypes []string
	// Authorizations are the values of the Authorization header of which a pushed event
	// must have one, such as "Bearer 9f2c…"; the authorization_header that the transmitter
	// was given. At least 16 characters behind the scheme. Several are for a change of
	// the value. Empty: the header is not looked at, and the signature alone counts. Then
	// strangers can send events with keys that nobody knows, and an event that comes right
	// after the transmitter has changed its key may be refused, as keys are not fetched
	// again and again for them.
	Authorizations []string
	// AllowUntyped accepts events without typ, or with typ JWT, as senders write them that
	// are older than Shared Signals 1.0. Leave it false where the keys sign other tokens too.
	AllowUntyped bool
	// Sink gets what is revoked. Required.
	Sink Sink
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger gets a line for each event that revokes something, and for those that are
	// refused. Default: slog.Default().
	Logger *slog.Logger
}

// An EventIssuer is an issuer of tokens that a transmitter may speak of.
type EventIssuer struct {
	// URL is the issuer as identities name it: the URL of its token.Issuer. Required.
	URL string
	// Aliases are other spellings of it in events, such as one with a slash at the end.
	Aliases []string
	// SessionsInTokens says that each access token of a user names its session, by the id
	// that events name it by. Then only that session is revoked; otherwise all tokens of
	// the user that were issued until it ended, and an event that names a session alone is
	// refused. If it is set and tokens name no session, nothing is revoked.
	SessionsInTokens bool
}

// NewSecurityEvents returns the receiver of the events of a transmitter of Shared Signals (SSF
// 1.0, CAEP 1.0, RISC 1.0) that are pushed to it (RFC 8935):
//
//	events, err := signals.NewSecurityEvents(signals.SecurityEventsConfig{
//		Transmitter: "https://idp.example.com",
//		Keys:        keys,
//		Audiences:   []string{"https://api.example.com"},
//		Issuers:     []signals.EventIssuer{{URL: "https://idp.example.com", SessionsInTokens: true}},
//		Sink:        signals.ToList(list),
//	})
//	mux.Handle("POST /signals/idp", events)
//
// What the events do:
//
//   - session-revoked ends the session that it names, if tokens name theirs, or else all
//     tokens of the user that were issued until it happened, or the one token that is named
//     by a jwt_id. An opaque id that is not said to be a user's or a session's is taken for
//     both.
//   - sessions-revoked, account-disabled and tokens-revoked end the tokens of the user that
//     were issued until then; account-purged ends all, for good.
//   - credential-change and credential-compromise do so for the CredentialTypes.
//   - Every other event is accepted and does nothing.
//
// Users are named by iss_sub or opaque ids. No token is found by an email address, a
// telephone number or the like: such an event is refused if it would have ended something.
// A device, a tenant, an application or a group beside a user is not looked at, so more may
// end than was meant, never less; an event that names nothing else is refused. So is one
// with a critical member that is not understood. The subject is sub_id, or else the older
// subject within the event, as Okta and Google write it, where there is no sub_id or no token
// is known by it.
//
// An event must have typ secevent+jwt, iss, iat, jti, aud and events, and neither exp nor
// sub (SSF 1.0, section 4.1). It is answered 202 when what it says is in force, and 400
// with an error code of RFC 8935, section 2.4, when it is refused: access_denied if it
// speaks of an issuer that is not among Issuers. While keys cannot be fetched or the sink
// fails, it is answered 503, and the transmitter sends it again.
//
// The error names everything that is wrong with the configuration.
func NewSecurityEvents(config SecurityEventsConfig) (*Receiver, error) {
	reader, err := newEventReader(config)
	if err != nil {
		return nil, fmt.Errorf("signals.NewSecurityEvents: %w", err)
	}
	authorizations := make([][sha256.Size]byte, len(config.Authorizations))
	for i, value := range config.Authorizations {
		authorizations[i] = sha256.Sum256([]byte(value))
	}
	return newReceiver(
		newInbox(reader.config.Name, config.Sink, config.Now, config.Logger),
		protocol{
			mediaType: "application/secevent+jwt",
			read: func(ctx context.Context, header http.Header, body []byte) (Message, error) {
				if len(authorizations) > 0 && !authorized(header, authorizations) {
					return Message{}, &refusal{status: http.StatusBadRequest, code: "authentication_failed", message: "the Authorization header is not the one that was agreed on"}
				}
				return reader.read(ctx, string(body))
			},
			accept: func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
			refuse: refuseEvent,
		},
	), nil
}

// authorized reports whether the header is one of those whose hashes are given. Hashes have
// one length, so the time does not show that of the value.
func authorized(header http.Header, accepted [][sha256.Size]byte) bool {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return false
	}
	given := sha256.Sum256([]byte(values[0]))
	equal := 0
	for _, hash := range accepted {
		equal |= subtle.ConstantTimeCompare(given[:], hash[:])
	}
	return equal == 1
}

// refuseEvent answers as RFC 8935, section 2.3, has it.
func refuseEvent(w http.ResponseWriter, refused *refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.WriteHeader(refused.status)
	_ = json.NewEncoder(w).Encode(eventError{refused.code, refused.message}) // the sender is gone
}

// An eventError says to a transmitter why an event is refused.
type eventError struct {
	Code        string `json:"err"`
	Description string `json:"description"`
}

// newEventReader checks the configuration.
func newEventReader(config SecurityEventsConfig) (*eventReader, error) {
	config.Name = cmp.Or(config.Name, "security-events")
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Stream != nil {
		config.CriticalMembers = slices.Concat(config.CriticalMembers, config.Stream.config.Transmitter.CriticalMembers)
	}
	reader := &eventReader{config: config, issuers: map[string]EventIssuer{}}
	faults := config.faults()
	for _, issuer := range config.Issuers {
		for _, spelling := range append([]string{issuer.URL}, issuer.Aliases...) {
			if other, taken := reader.issuers[spelling]; taken && other.URL != issuer.URL {
				faults = append(faults, fmt.Errorf("two of Issuers are spelled %s", spelling))
			}
			reader.issuers[spelling] = issuer
		}
	}
	if config.OpaqueIssuer == "" && len(config.Issuers) == 1 {
		reader.config.OpaqueIssuer = config.Issuers[0].URL
	} else if _, known := reader.issuers[config.OpaqueIssuer]; !known && config.OpaqueIssuer != "" {
		faults = append(faults, errors.New("the OpaqueIssuer must be one of Issuers"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var err error
	reader.verifier, err = token.New(token.Config{
		Issuers: []token.Issuer{{
			URL: config.Transmitter, Keys: config.Keys, Algorithms: config.Algorithms,
			AllowAnyAudience: true, // the reader judges it
			Skew:             maxAhead,
		}},
		CacheEntries: -1, Now: config.Now, Logger: config.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("the transmitter: %w", err)
	}
	return reader, nil
}

func (c *SecurityEventsConfig) faults() (faults []error) {
	if c.Transmitter == "" {
		faults = append(faults, errors.New("give the Transmitter, the iss of its events"))
	}
	if c.Keys == nil {
		faults = append(faults, errors.New("give the Keys of the transmitter"))
	}
	if c.Stream != nil && c.Transmitter != c.Stream.config.Transmitter.Issuer {
		faults = append(faults, errors.New("the Stream is one of another Transmitter"))
	}
	if len(c.Audiences) == 0 && c.Stream == nil || slices.Contains(c.Audiences, "") {
		faults = append(faults, errors.New("give the Audiences of the stream, or events for others would be believed"))
	}
	if len(c.Issuers) == 0 || slices.ContainsFunc(c.Issuers, func(i EventIssuer) bool { return i.URL == "" || slices.Contains(i.Aliases, "") }) {
		faults = append(faults, errors.New("give the Issuers of the tokens that the transmitter may speak of, each with its URL"))
	}
	if c.Sink == nil {
		faults = append(faults, errors.New("give a Sink"))
	}
	for _, value := range c.Authorizations {
		if fault := checkAuthorization(value); fault != nil {
			faults = append(faults, fault)
		}
	}
	return faults
}

// checkAuthorization refuses a value of an Authorization header that can be guessed, or
// that no header can have.
func checkAuthorization(value string) error {
	_, secret, _ := strings.Cut(value, " ")
	switch {
	case len(secret) < 16:
		return errors.New("an Authorization is a scheme, a space and at least 16 characters, such as Bearer and a random text")
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) || strings.TrimSpace(value) != value:
		return errors.New("an Authorization has characters that no header has, or white space around it")
	default:
		return nil
	}
}

// refusedBy returns what says to a transmitter why its signature is not accepted, or the
// error itself where it should send again.
func refusedBy(err error) error {
	reason, ok := auth.ReasonOf(err)
	if !ok {
		return err
	}
	switch reason {
	case auth.KeysUnavailable:
		return err
	case auth.IssuerUntrusted:
		return refuseAs("invalid_issuer", "the issuer of the event is not the transmitter of this stream", err)
	case auth.AlgorithmNotAllowed, auth.KeyUnknown, auth.SignatureInvalid:
		return refuseAs("invalid_key", "the signature cannot be verified with the keys of the transmitter", err)
	case auth.TokenNotYetValid, auth.TokenExpired:
		return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "by its times it does not count now", cause: err, signed: true}
	case auth.TokenTooLarge, auth.TokenMalformed, auth.TokenKindUnsupported, auth.ClaimMissing, auth.ClaimInvalid:
		return refuseAs("invalid_request", "the body is no security event token", err)
	default: // our own fault
		return err
	}
}

func refuseAs(code, message string, cause error) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message, cause: cause}
}
