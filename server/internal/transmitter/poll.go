package transmitter

import (
	"context"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxPolled is how many events a receiver gets at once, which all are signed for it.
	maxPolled = 100
	// pageSize is how many revocations are read at once.
	pageSize = 1000
	// pollTimeout is how long a receiver waits for an event.
	pollTimeout = 20 * time.Second
	// maxWaiting is how many receivers can wait. Others are answered at once.
	maxWaiting = 256
)

// polled is what a receiver sends (RFC 8936, section 2.4).
type polled struct {
	MaxEvents         *int               `json:"maxEvents"`
	ReturnImmediately bool               `json:"returnImmediately"`
	Acks              []string           `json:"ack"`
	Errors            map[string]refusal `json:"setErrs"`
}

// events is what it gets (RFC 8936, section 2.5).
type events struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable,omitempty"`
}

func (t *Transmitter) poll(r *http.Request, owner store.StreamOwner) (answer, error) {
	var asked polled
	if err := decode(r, &asked); err != nil {
		return answer{}, err
	}
	limit := maxPolled
	if asked.MaxEvents != nil {
		limit = min(*asked.MaxEvents, maxPolled)
	}
	if limit < 0 {
		return answer{}, invalid("maxEvents must not be negative")
	}
	ctx := r.Context()
	s, err := t.own(ctx, owner, r.PathValue("stream"))
	if err != nil {
		return answer{}, err
	}
	if s.Push {
		return answer{}, invalid("the events of this stream are pushed; set its delivery method to " + methodPoll)
	}
	if s, err = t.acknowledge(ctx, owner, s, asked); err != nil {
		return answer{}, err
	}
	if limit == 0 {
		return answer{http.StatusOK, events{Sets: map[string]string{}}}, nil
	}
	found, err := t.fetch(ctx, s, limit)
	if err == nil && len(found.Sets) == 0 && !asked.ReturnImmediately {
		found, err = t.wait(ctx, owner, s, limit)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, found}, nil
}

// acknowledge moves the place of a stream up to the first event that its receiver has not
// yet taken, nor refused; so what it has no event of is not read again at each poll.
func (t *Transmitter) acknowledge(ctx context.Context, owner store.StreamOwner, s store.Stream, asked polled) (store.Stream, error) {
	taken := make(map[string]bool, len(asked.Acks)+len(asked.Errors))
	for _, id := range asked.Acks {
		taken[id] = true
	}
	for id := range asked.Errors {
		taken[id] = true
	}
	if s.Status != store.StreamEnabled {
		return s, nil
	}
	before := s
	for more := true; more; {
		rows, err := t.next(ctx, &s, pageSize)
		if err != nil {
			return s, err
		}
		more = t.passTaken(ctx, &s, rows, taken, asked.Errors) == pageSize
	}
	if s.Missed > before.Missed {
		t.config.Log.WarnContext(ctx, "revocations had expired before a receiver of security events got them", "stream", s.ID, "count", s.Missed-before.Missed)
	}
	verified := taken[s.Verification.ID]
	if s.Sequence == before.Sequence && !verified {
		return s, nil
	}
	return t.update(ctx, owner, s.ID, func(kept *store.Stream) error {
		if verified && kept.Verification.ID == before.Verification.ID {
			kept.Verification.ID, kept.Verification.State = "", ""
		}
		if kept.Sequence == before.Sequence { // no other poll has moved it
			kept.Sequence, kept.SequenceAt, kept.Missed, kept.Refused, kept.LastError = s.Sequence, s.SequenceAt, s.Missed, s.Refused, s.LastError
		}
		return nil
	})
}

// passTaken moves the place of a stream behind those that were taken, or refused, or of which
// it has no event, up to the first other, and returns how many these are.
func (t *Transmitter) passTaken(ctx context.Context, s *store.Stream, rows []store.Revocation, taken map[string]bool, refusals map[string]refusal) int {
	for i, row := range rows {
		id := eventID(*s, row)
		if !taken[id] && typeOf(*s, row) != "" {
			return i
		}
		pass(s, row)
		if refused, is := refusals[id]; is {
			s.Refused++
			s.LastError = "it refuses an event with " + known(refused.Code)
			t.config.Log.WarnContext(ctx, "a receiver of security events refuses one", "stream", s.ID, "error", s.LastError, "target", row.Target.Kind, "sequence", row.Sequence)
		}
	}
	return len(rows)
}

// known returns an error code of RFC 8935 or SSF, or another word for what is none.
func known(code string) string {
	switch code {
	case "invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied", "invalid_state":
		return code
	default:
		return "an unknown error"
	}
}

// fetch returns the next events of a stream.
func (t *Transmitter) fetch(ctx context.Context, s store.Stream, limit int) (events, error) {
	found := events{Sets: map[string]string{}}
	if s.Status != store.StreamEnabled {
		return found, nil
	}
	add := func(c *claims) error {
		signed, err := t.signer.sign(ctx, c)
		found.Sets[c.ID] = signed
		return err
	}
	if s.Verification.Waits() {
		if err := add(t.verificationOf(s)); err != nil {
			return events{}, err
		}
	}
	for {
		rows, err := t.next(ctx, &s, pageSize)
		if err != nil {
			return events{}, err
		}
		for _, row := range rows {
			switch {
			case typeOf(s, row) == "":
			case len(found.Sets) == limit:
				found.More = true
				return found, nil
			default:
				if err := add(t.event(ctx, s, row)); err != nil {
					return events{}, err
				}
			}
			s.Sequence, s.SequenceAt = row.Sequence, row.CreatedAt
		}
		if len(rows) < pageSize {
			return found, nil
		}
	}
}

// Waiting returns how many receivers wait for events.
func (t *Transmitter) Waiting() int { return len(t.waiting) }

// wait returns the next events of a stream when there are some, or none after a while.
func (t *Transmitter) wait(ctx context.Context, owner store.StreamOwner, s store.Stream, limit int) (events, error) {
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return events{Sets: map[string]string{}}, nil
	}
	timeout := time.NewTimer(pollTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(pollInterval) // others may have changed the stream
	defer tick.Stop()
	for {
		changed := t.config.Changed()
		s, err := t.own(ctx, owner, s.ID)
		if err != nil {
			return events{}, err
		}
		found, err := t.fetch(ctx, s, limit)
		if err != nil || len(found.Sets) > 0 {
			return found, err
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-timeout.C:
			return found, nil
		case <-t.config.Stopping:
			return found, nil
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}
