package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The errors of streams. Check with errors.Is.
var (
	ErrNoStream       = errors.New("there is no such stream")
	ErrTooManyStreams = errors.New("there are as many streams as there may be")
)

// The states of a Stream.
const (
	StreamEnabled  = "enabled"
	StreamPaused   = "paused"   // nothing is sent, and what is revoked meanwhile is sent later
	StreamDisabled = "disabled" // nothing is sent, and what is revoked meanwhile is never sent
)

// A Stream is one on which a receiver gets the revocations as security events.
type Stream struct {
	ID        string `json:"-"`
	CreatedAt time.Time
	Owner     StreamOwner

	// What the owner has asked for.
	Audience    string // of the events
	Description string
	// Push says that events are sent to Endpoint, with Authorization as that header unless it
	// is empty. Otherwise the receiver fetches them.
	Push          bool
	Endpoint      string
	Authorization string
	Events        []string // the types of events; nil for all
	Status        string
	StatusReason  string

	// The place after which the receiver is still to get the revocations, as in
	// Store.Revocations.
	Sequence   int64 `json:"-"`
	SequenceAt time.Time
	// Missed counts those before it that were pruned before the receiver got them, and
	// Refused those that it refused for good.
	Missed, Refused int64

	Verification Verification

	// DueAt is when to send next, or until when somebody is sending. It is zero where nothing
	// is sent.
	DueAt time.Time `json:"-"`
	// Failures counts the attempts since the last that succeeded, the first of them at
	// FailingSince. LastError says what went wrong.
	Failures     int
	FailingSince time.Time
	LastError    string
}

// A StreamOwner is who has made a stream, and may change it.
type StreamOwner struct{ Issuer, Subject string }

// A Verification is an event that the receiver has asked for, to see whether events arrive.
type Verification struct {
	ID    string // of the event, until the receiver has it; then ""
	State string
	At    time.Time // when it was asked for last
}

// Sends reports whether events are sent on the stream.
func (s Stream) Sends() bool { return s.Push && s.Status == StreamEnabled }

// Due returns the DueAt that is kept: 0 if nothing is sent.
func (s Stream) Due() int64 {
	if !s.Sends() {
		return 0
	}
	return Micros(s.DueAt)
}

// Exceeds reports whether there are as many streams as limit already, or ownLimit of the
// same owner.
func (s Stream) Exceeds(all []Stream, limit, ownLimit int) bool {
	own := 0
	for _, other := range all {
		if other.Owner == s.Owner {
			own++
		}
	}
	return len(all) >= limit || own >= ownLimit
}

// Waits reports whether the receiver is to get a verification.
func (v Verification) Waits() bool { return v.ID != "" }

// EncodeStream returns what no query looks into.
func EncodeStream(s Stream) ([]byte, error) {
	for _, t := range []*time.Time{&s.CreatedAt, &s.SequenceAt, &s.Verification.At, &s.FailingSince} {
		*t = FromMicros(Micros(*t))
	}
	return json.Marshal(s)
}

// DecodeStream returns a stream by what it is kept as.
func DecodeStream(id string, sequence, dueAt int64, rest []byte) (Stream, error) {
	var s Stream
	if err := json.Unmarshal(rest, &s); err != nil {
		return Stream{}, fmt.Errorf("stream %s: %w", id, err)
	}
	s.ID, s.Sequence, s.DueAt = id, sequence, FromMicros(dueAt)
	return s, nil
}

// A SigningKey is one by which events are signed.
type SigningKey struct {
	ID        string
	Private   []byte // in PKCS #8
	CreatedAt time.Time
}
