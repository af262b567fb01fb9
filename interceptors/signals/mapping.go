package signals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
)

// WebhookConfig is what [NewWebhooks] needs: how the sender proves that a message is its own,
// where the message says what has happened, and what that means here.
//
// A path is a list of names with full stops in between, such as data.user.id. It is
// looked up in the JSON object of the body; names are compared exactly.
type WebhookConfig struct {
	// Name names the source in Message.Source, Status and logs. Required.
	Name string
	// Issuer is the iss claim of the tokens that the messages speak of. Required.
	Issuer string

	// Signature is one of SignatureStandard, SignatureWorkOS and SignatureHeader. "" is
	// SignatureStandard.
	Signature string
	// Secrets are the keys of the sender, as it shows them; at least one, and several
	// while one is replaced. For SignatureStandard they are secrets of 24 to 64 bytes in
	// base64, with or without whsec_ before it, or public keys with whpk_. For the others
	// they have at least 16 characters.
	Secrets []string
	// Header is the header that SignatureHeader finds the secret in, with or without
	// "Bearer " before it. "" is Authorization. It must be empty for the others.
	Header string

	// TypePath is the path of the type of the event. "" is type.
	TypePath string
	// IDPath is the path of what names the message, the same each time it is sent again.
	// "" is the header webhook-id or svix-id where the signature has it, and otherwise the
	// digest of the body.
	IDPath string
	// TimePath is the path of when it happened, in seconds or milliseconds since 1970, or
	// as of RFC 3339. "" is the moment at which the sender has signed the message, or at
	// which it arrives where it is not signed. A message that comes late then also revokes
	// tokens of a user that were issued after the event.
	TimePath string
	// Events are the events that revoke something. At least one. Events of other types are
	// answered with success, and counted as ignored.
	Events []EventMapping

	// Sink is given the revocations. Required.
	Sink Sink
	// Now is the clock. nil is time.Now.
	Now func() time.Time
	// Logger logs messages that are accepted or refused. nil is slog.Default().
	Logger *slog.Logger
}

// An EventMapping says what an event revokes: one of Session, Subject, Organization, Token
// and Client, each the path of what names it. Where several mappings match a message, it revokes all
// that they say.
type EventMapping struct {
	// Event is the type of the event, such as session.revoked. Required.
	Event string
	// Where limits the mapping to messages that have these values at these paths: a
	// string, or the digits of a whole number, true or false. All must match.
	Where map[string]string
	// Session is the path of a session ID, as in the tokens of the session. With Subject
	// as well, only tokens of that subject are revoked: set it where users can choose the
	// ID.
	Session string
	// Subject is the path of a subject, whose tokens are revoked that were issued until
	// the event.
	Subject string
	// Organization is the path of the ID of an organization. The tokens that name it and
	// were issued until the event are revoked; with Subject as well, those of this member.
	Organization string
	// Token is the path of the jti of one token.
	Token string
	// Client is the path of the ID of an OAuth client.
	Client string
	// AllTokens says that future tokens of the subject, organization or member are meant
	// too, as where it was deleted. That cannot be taken back.
	AllTokens bool
}

// NewWebhooks returns the receiver for the webhooks of an issuer that signs them as Standard
// Webhooks says, or in one of the other ways that SignatureStandard and its neighbours
// list. For Clerk there is [NewClerk].
//
//	hooks, err := signals.NewWebhooks(signals.WebhookConfig{
//		Name: "workos", Issuer: issuer, Sink: sink,
//		Signature: signals.SignatureWorkOS, Secrets: []string{os.Getenv("WORKOS_WEBHOOK_SECRET")},
//		TypePath: "event", IDPath: "id", TimePath: "created_at",
//		Events: []signals.EventMapping{
//			{Event: "session.revoked", Session: "data.id"},
//			{Event: "user.deleted", Subject: "data.id", AllTokens: true},
//		},
//	})
//
// The error names everything that is wrong with the configuration, without a secret.
func NewWebhooks(config WebhookConfig) (*Receiver, error) {
	verify, err := newVerify(config)
	faults := []error{err}
	if config.Name == "" {
		faults = append(faults, errors.New("the source has no name"))
	}
	if config.Issuer == "" {
		faults = append(faults, errors.New("there is no issuer; give the iss claim of the tokens"))
	}
	if config.Sink == nil {
		faults = append(faults, errors.New("there is no sink; give ToList(list), or one that stores revocations"))
	}
	if config.TypePath == "" {
		config.TypePath = "type"
	}
	faults = append(faults, checkPaths(config.TypePath, config.IDPath, config.TimePath))
	if len(config.Events) == 0 {
		faults = append(faults, errors.New("there are no events; say what revokes something"))
	}
	for i, event := range config.Events {
		if err := event.check(); err != nil {
			faults = append(faults, fmt.Errorf("event %d of %d: %w", i+1, len(config.Events), err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("webhooks of %s: %w", config.Name, err)
	}
	inbox := newInbox(config.Name, config.Sink, config.Now, config.Logger)
	m := &mapping{config: config, verify: verify, now: inbox.now}
	return newReceiver(inbox, webhookProtocol(m.read)), nil
}

// checkPaths refuses a path that would find nothing. "" is none.
func checkPaths(paths ...string) error {
	for _, path := range paths {
		if path != "" && strings.Contains("."+path+".", "..") {
			return fmt.Errorf("the path %q has an empty name in it", path)
		}
	}
	return nil
}

func (e EventMapping) check() error {
	named := 0
	for _, path := range []string{e.Session, e.Organization, e.Token, e.Client} {
		if path != "" {
			named++
		}
	}
	paths := []string{e.Session, e.Subject, e.Organization, e.Token, e.Client}
	for path := range e.Where {
		if path == "" {
			return errors.New("a path under where is empty")
		}
		paths = append(paths, path)
	}
	switch {
	case e.Event == "":
		return errors.New("it has no type")
	case named == 0 && e.Subject == "":
		return fmt.Errorf("%s revokes nothing; give the path of a session, subject, organization, token or client", e.Event)
	case named > 1 || e.Subject != "" && e.Token+e.Client != "":
		return fmt.Errorf("%s names several things; write one mapping for each", e.Event)
	case e.AllTokens && e.Session+e.Token+e.Client != "":
		return fmt.Errorf("%s: all tokens are meant anyway, unless it names a subject or an organization", e.Event)
	}
	return checkPaths(paths...)
}

// target returns the kind of what is revoked, and the paths of its ID and its subject.
func (e EventMapping) target() (kind revocation.TargetKind, id, subject string) {
	switch {
	case e.Session != "":
		return revocation.TargetSession, e.Session, e.Subject
	case e.Organization != "" && e.Subject != "":
		return revocation.TargetMember, e.Organization, e.Subject
	case e.Organization != "":
		return revocation.TargetOrganization, e.Organization, ""
	case e.Token != "":
		return revocation.TargetToken, e.Token, ""
	case e.Client != "":
		return revocation.TargetClient, e.Client, ""
	default:
		return revocation.TargetSubject, e.Subject, ""
	}
}

type mapping struct {
	config WebhookConfig
	verify verifyFunc
	now    func() time.Time
}

func (m *mapping) read(_ context.Context, header http.Header, body []byte) (Message, error) {
	now := m.now()
	id, sent, err := m.verify(header, body, now)
	if err != nil {
		return Message{}, err
	}
	event, err := parseDocument(body)
	if err != nil {
		return Message{}, err
	}
	message := Message{ID: id, Type: event.text(m.config.TypePath), Issuer: m.config.Issuer}
	if message.Type == "" {
		return Message{}, malformed("there is no type at " + m.config.TypePath)
	}
	switch {
	case m.config.IDPath != "":
		message.ID = event.text(m.config.IDPath)
	case id == "":
		message.ID = m.digest(body, now)
	}
	happened := sent
	if m.config.TimePath != "" {
		if happened, err = event.time(m.config.TimePath); err != nil {
			return Message{}, err
		}
		message.Time = happened
	}
	for _, e := range m.config.Events {
		if e.Event != message.Type || !event.matches(e.Where) {
			continue
		}
		r, err := m.revocation(e, event, happened, now)
		if err != nil {
			return Message{}, err
		}
		message.Revocations = append(message.Revocations, r)
	}
	return message, nil
}

// digest names a message that has no name. Where it does not say when it happened either,
// the same words can be about something new each time they come.
func (m *mapping) digest(body []byte, now time.Time) string {
	hash := sha256.New()
	hash.Write(body)
	if m.config.TimePath == "" {
		fmt.Fprint(hash, now.UnixNano())
	}
	return "sha256-" + hex.EncodeToString(hash.Sum(nil))
}

func (m *mapping) revocation(e EventMapping, event document, happened, now time.Time) (revocation.Revocation, error) {
	kind, id, subject := e.target()
	r := revocation.Revocation{Kind: kind, Issuer: m.config.Issuer, ID: event.text(id), AllTokens: e.AllTokens}
	if r.ID == "" {
		return r, malformed("there is no " + kind.String() + " at " + id)
	}
	if subject != "" {
		if r.Subject = event.text(subject); r.Subject == "" {
			return r, malformed("there is no subject at " + subject)
		}
	}
	switch kind {
	case revocation.TargetSubject, revocation.TargetOrganization, revocation.TargetMember:
	default:
		return r, nil
	}
	var err error
	if !e.AllTokens {
		r.Before, err = issuedUntil(happened, now)
	}
	return r, err
}

// matches reports whether all paths have these values.
func (d document) matches(where map[string]string) bool {
	for path, want := range where {
		got := d.text(path)
		if value := string(d.at(path)); value == "true" || value == "false" {
			got = value
		}
		if got != want {
			return false
		}
	}
	return true
}
