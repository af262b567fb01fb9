package signals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
)

// ClerkConfig is what [NewClerk] needs.
type ClerkConfig struct {
	// Name names the source in Message.Source, Status and logs. "" is clerk.
	Name string
	// Issuer is the iss claim of the tokens of the instance, which its webhooks do not
	// name. Required.
	Issuer string
	// Secrets are the signing secrets of the endpoint, each as Clerk's dashboard shows it
	// (whsec_…). At least one; several while one is replaced.
	Secrets []string
	// InstanceID is the ins_… of the instance, and messages of other instances are
	// refused. "" accepts every message that is signed with a secret.
	InstanceID string
	// Sink is given the revocations. Required.
	Sink Sink
	// Now is the clock. nil is time.Now.
	Now func() time.Time
	// Logger logs messages that are accepted or refused. nil is slog.Default().
	Logger *slog.Logger
}

// NewClerk returns the receiver for the webhooks of a Clerk instance. Subscribe its endpoint
// to these events; all others are answered with success, and counted as ignored:
//
//	session.ended, session.removed, session.revoked
//	    the session, for good
//	user.deleted
//	    the user, for good
//	user.updated, if it says that the user is banned
//	    the tokens of the user that were issued until then
//	organizationMembership.deleted, organizationMembership.updated
//	    the tokens of the member in this organization that were issued until then: they
//	    name the role and the permissions of before
//	organization.deleted
//	    the tokens of all members in this organization, for good
//
// There is no event for a session that expires, nor for a password that is changed where
// sessions go on. A user who is locked after failed attempts keeps its sessions at Clerk,
// and here. Clerk does not promise that every message arrives: what is lost is over when
// the token expires, after a minute.
//
// The error names everything that is wrong with the configuration, without a secret.
func NewClerk(config ClerkConfig) (*Receiver, error) {
	keys, err := newWebhookKeys(config.Secrets)
	faults := []error{err}
	if config.Issuer == "" {
		faults = append(faults, errors.New("there is no issuer; give the iss claim of the instance's tokens"))
	}
	if config.Sink == nil {
		faults = append(faults, errors.New("there is no sink; give ToList(list), or one that stores revocations"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("webhooks of Clerk: %w", err)
	}
	if config.Name == "" {
		config.Name = "clerk"
	}
	inbox := newInbox(config.Name, config.Sink, config.Now, config.Logger)
	c := &clerk{keys: keys, issuer: config.Issuer, instanceID: config.InstanceID, now: inbox.now}
	return newReceiver(inbox, webhookProtocol(c.read)), nil
}

// webhookProtocol answers as senders of webhooks understand it: 2xx, or send again.
func webhookProtocol(read func(context.Context, http.Header, []byte) (Message, error)) protocol {
	return protocol{
		read:   read,
		accept: func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		refuse: func(w http.ResponseWriter, refused *refusal) { http.Error(w, refused.message, refused.status) },
	}
}

type clerk struct {
	keys       *webhookKeys
	issuer     string
	instanceID string
	now        func() time.Time
}

func (c *clerk) read(_ context.Context, header http.Header, body []byte) (Message, error) {
	id, _, err := c.keys.verify(header, body, c.now())
	if err != nil {
		return Message{}, err
	}
	event, err := parseDocument(body)
	if err != nil {
		return Message{}, err
	}
	if c.instanceID != "" && event.text("instance_id") != c.instanceID {
		return Message{}, malformed("the message is of another instance")
	}
	message := Message{ID: id, Type: event.text("type"), Issuer: c.issuer}
	if message.Time, err = event.time("timestamp"); err != nil {
		return Message{}, err
	}
	message.Revocations, err = c.revocations(message, event)
	return message, err
}

// revocations returns what an event revokes; none for most.
//
// A session is revoked for whichever subject a token names, since its ID is Clerk's own
// and no user can choose it. Only what some issuers let users choose has to be held to a
// subject; here that would let a token live on whose subject a profile takes from
// elsewhere.
func (c *clerk) revocations(message Message, event document) ([]revocation.Revocation, error) {
	r := revocation.Revocation{Issuer: c.issuer, ID: event.text("data.id")}
	switch message.Type {
	case "session.ended", "session.removed", "session.revoked":
		r.Kind = revocation.TargetSession
	case "user.deleted":
		r.Kind, r.AllTokens = revocation.TargetSubject, true
	case "user.updated":
		switch banned := string(event.at("data.banned")); banned {
		case "true":
			r.Kind = revocation.TargetSubject
		case "false", "":
			return nil, nil
		default:
			return nil, malformed("data.banned is neither true nor false")
		}
	case "organization.deleted":
		r.Kind, r.AllTokens = revocation.TargetOrganization, true
	case "organizationMembership.deleted", "organizationMembership.updated":
		r.Kind, r.ID, r.Subject = revocation.TargetMember, event.text("data.organization.id"), event.text("data.public_user_data.user_id")
	case "":
		return nil, malformed("the message has no type")
	default:
		return nil, nil
	}
	if r.ID == "" || r.Kind == revocation.TargetMember && r.Subject == "" {
		return nil, malformed("the message does not name the " + r.Kind.String())
	}
	var err error
	if r.Kind != revocation.TargetSession && !r.AllTokens {
		r.Before, err = c.changed(message, event)
	}
	return []revocation.Revocation{r}, err
}

// changed returns the instant before which tokens are revoked by an event that shows
// something as it is now. That is when Clerk made the event, where this is later than the
// change of the object: until then it was so.
func (c *clerk) changed(message Message, event document) (time.Time, error) {
	updated, err := event.time("data.updated_at")
	if err != nil {
		return time.Time{}, err
	}
	if message.Time.After(updated) {
		updated = message.Time
	}
	return issuedUntil(updated, c.now())
}
