// Package signals receives what issuers say about sessions, users and tokens that are
// over, and turns it into revocations: webhooks, OpenID Connect back-channel logout, and
// security event tokens.
//
//	list := revocation.New(revocation.Config{}) // the guard's
//	hooks, err := signals.NewClerk(signals.ClerkConfig{
//		Issuer:  "https://clerk.example.com",
//		Secrets: []string{os.Getenv("CLERK_WEBHOOK_SIGNING_SECRET")},
//		Sink:    signals.ToList(list),
//	})
//	mux.Handle("POST /signals/clerk", hooks)
//
// A receiver verifies a message before it reads it, hands what it means to a [Sink], and
// answers success only when the sink has made it durable: otherwise the sender, which
// sends again, would believe what a crash can undo. A message that comes twice changes
// nothing the second time, and no message undoes a revocation, so the order in which
// messages come does not matter.
package signals

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A Message is one that was verified, and what it means.
type Message struct {
	// Source is the name of the receiver, such as clerk.
	Source string
	// ID is the sender's name for the message, the same each time it is sent again.
	ID string
	// Type is the type of the event as the sender writes it, such as session.revoked.
	Type string
	// Issuer is the issuer that the message speaks of.
	Issuer string
	// Time is when it happened, by the sender's clock; zero if the message does not say.
	Time time.Time
	// Revocations are what must be refused from now on. At least one, when a Sink gets it.
	Revocations []revocation.Revocation
}

// A Sink makes revocations durable and has them refused. It must be safe for concurrent
// use.
type Sink interface {
	// Revoke returns nil once all revocations of the message are in force and no crash
	// undoes them. It may be called again with the same message, and must then return nil
	// as well. After an error the sender is asked to send again.
	Revoke(ctx context.Context, message Message) error
}

// ToList returns a sink that adds to a list. That is as durable as the list, which starts
// empty: after a restart the tokens of a session that was ended before are accepted until
// they expire. Where that is too long, store the revocations in a sink of your own.
func ToList(list *revocation.List) Sink { return listSink{list} }

type listSink struct{ list *revocation.List }

func (s listSink) Revoke(_ context.Context, message Message) error {
	return s.list.Add(message.Revocations...)
}

// Status is what became of the messages of a source.
type Status struct {
	// Source is the name of the receiver.
	Source string
	// Accepted messages have revoked something; Repeated ones had done so before; Ignored
	// ones mean nothing here, such as events of other types.
	Accepted, Repeated, Ignored int64
	// Refused messages were not believed, or cannot be acted on; Failed ones could not be
	// made durable, and come again.
	Refused, Failed int64
	// LastMessage is when the last message came that the sender has signed, LastAccepted
	// when the last was accepted, and LastRefused when the last was refused or failed, or
	// could not be fetched. Zero if there was none.
	LastMessage, LastAccepted, LastRefused time.Time
	// LastPoll is when the sender last answered a [Poller], with messages or without. Zero
	// for what is sent to us.
	LastPoll time.Time
	// LastError says why that was refused or failed. No secret and no part of a message
	// is in it.
	LastError string
	// LastErrorIsOurs says that LastError was sent to nobody, since a fetch or the sink has
	// failed: it may name hosts of ours.
	LastErrorIsOurs bool
	// Lag is how long after it had happened the last accepted message was in force, by
	// the sender's clock and ours. 0 if that did not say when it happened.
	Lag time.Duration
}

// maxRevocations bounds what one message can revoke.
const maxRevocations = 100

// maxIDBytes bounds an identifier in a message. No identifier in a token is longer.
const maxIDBytes = 1024

// earliest is when something can have happened. A time before, such as 0, is none.
var earliest = time.Unix(1e9, 0) // in 2001

// issuedUntil returns the Before that revokes the tokens which an issuer had issued when
// something happened, by its clock. It is the second after the next whole one:
//
//   - iat is mostly in whole seconds, rounded down, so a token that was issued in the same
//     second has the iat of its beginning, which is not before an event at its beginning.
//   - What is rounded up, and what comes from another machine of the issuer, whose clock is
//     not quite the same, or which learns of the event a moment later, may carry the next
//     second.
//
// The price is that a user who signs in again within two seconds needs a second token,
// and the refusal says when. Too few tokens revoked would stay valid until they expire.
//
// What has not happened yet is refused: it would also revoke what is issued from now on. So
// is what happened before there were tokens, which would revoke nothing.
func issuedUntil(happened, now time.Time) (time.Time, error) {
	switch {
	case happened.Before(earliest):
		return time.Time{}, malformed("the message does not say when it happened")
	case happened.After(now.Add(signatureTolerance)):
		return time.Time{}, malformed("the message says that it has yet to happen")
	}
	return happened.Truncate(time.Second).Add(2 * time.Second), nil
}

// check refuses a message whose texts are longer than any that belong to a token, or hold
// what is in no token.
func (m *Message) check() error {
	if len(m.Revocations) > maxRevocations {
		return errors.New("it names too much at once")
	}
	if m.ID == "" || !storable(m.ID) || !storable(m.Type) {
		return errors.New("its id is missing, or its id or type is too long or has a control character")
	}
	for _, r := range m.Revocations {
		if !storable(r.ID) || !storable(r.Subject) {
			return errors.New("an identifier in it is too long or has a control character")
		}
	}
	return nil
}

// storable reports whether a text is short, and nothing that a log or a database would
// stumble over. No token has another one: see checkTexts in package token.
func storable(text string) bool {
	return len(text) <= maxIDBytes && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
