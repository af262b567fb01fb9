package transmitter

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// An event is tried again after minBackoff, twice that, and so on, up to maxBackoff; or
	// later, if the receiver asks for that, but not later than maxRetryAfter.
	minBackoff    = time.Second
	maxBackoff    = 10 * time.Minute
	maxRetryAfter = time.Hour
	// pauseAfter is how long a receiver can fail until its stream is paused.
	pauseAfter = 7 * 24 * time.Hour
	// maxAnswerBytes is how much of an answer is read.
	maxAnswerBytes = 4 << 10
)

// errClaimLost means that a stream was changed, or claimed by another process, since it was
// claimed.
var errClaimLost = errors.New("the claim of the stream has ended")

// A failure is why an event was not delivered. What it says is shown to the owner of the
// stream, and so has nothing of what an endpoint has answered but its status and the error
// code.
type failure struct {
	text string
	// final says that the receiver refuses this event, and will not take it later.
	final bool
	retry time.Duration // that the receiver asks for
}

// send sends what is to be sent on a claimed stream, until nothing is left or an attempt has
// failed.
func (t *Transmitter) send(ctx context.Context, s store.Stream) {
	for {
		more, err := t.sendSome(ctx, &s)
		switch {
		case ctx.Err() != nil, errors.Is(err, errClaimLost), errors.Is(err, store.ErrNoStream):
			return
		case err != nil: // others, or this process, try again when the claim has ended
			t.fails(ctx, "sending", err)
			return
		case !more:
			return
		}
	}
}

// An outcome is what became of an attempt.
type outcome struct {
	// arrived changes the stream by what the receiver has taken, or refused for good; nil if
	// that is nothing.
	arrived func(*store.Stream)
	failed  *failure // what the receiver is to be sent again, and nil if there is nothing
	more    bool     // whether there may be more to send
}

// sendSome sends a verification, or else the next events, all at once, and keeps how far the
// receiver is.
func (t *Transmitter) sendSome(ctx context.Context, s *store.Stream) (more bool, err error) {
	if s.Verification.Waits() {
		return t.settle(ctx, s, t.sendVerification(ctx, *s))
	}
	o, err := t.sendRevocations(ctx, *s)
	if err != nil {
		return false, err
	}
	return t.settle(ctx, s, o)
}

func (t *Transmitter) sendVerification(ctx context.Context, s store.Stream) outcome {
	id := s.Verification.ID
	failed := t.deliver(ctx, s, t.verificationOf(s))
	if failed != nil && !failed.final {
		return outcome{failed: failed}
	}
	return outcome{more: true, arrived: func(kept *store.Stream) {
		if kept.Verification.ID == id { // no newer one was asked for
			kept.Verification.ID, kept.Verification.State = "", ""
		}
		if failed != nil {
			kept.LastError = failed.text
		}
	}}
}

func (t *Transmitter) verificationOf(s store.Stream) *claims {
	return aboutStream(t.config.Issuer, s, s.Verification.ID, verification, verified{s.Verification.State}, t.now())
}

func (t *Transmitter) sendRevocations(ctx context.Context, s store.Stream) (outcome, error) {
	rows, err := t.next(ctx, &s, atOnce)
	if err != nil {
		return outcome{}, err
	}
	failures := make([]*failure, len(rows))
	var sending sync.WaitGroup
	for i, row := range rows {
		if event := t.event(ctx, s, row); event != nil {
			sending.Go(func() { failures[i] = t.deliver(ctx, s, event) })
		}
	}
	sending.Wait()
	o := outcome{more: len(rows) == atOnce}
	// Those behind the first that has failed are sent again.
	end := slices.IndexFunc(failures, func(f *failure) bool { return f != nil && !f.final })
	if end < 0 {
		end = len(rows)
	} else {
		o.failed = failures[end]
	}
	if end == 0 {
		return o, nil
	}
	missed := s.Missed
	for i, row := range rows[:end] {
		pass(&s, row)
		if f := failures[i]; f != nil {
			s.Refused++
			s.LastError = f.text
			t.config.Log.WarnContext(ctx, "a receiver of security events refuses one", "stream", s.ID, "endpoint", hostOf(s.Endpoint), "error", f.text, "target", row.Target.Kind, "sequence", row.Sequence)
		}
	}
	if s.Missed > missed {
		t.config.Log.WarnContext(ctx, "revocations had expired before a receiver of security events got them", "stream", s.ID, "endpoint", hostOf(s.Endpoint), "count", s.Missed-missed)
	}
	o.arrived = func(kept *store.Stream) {
		kept.Sequence, kept.SequenceAt, kept.Missed, kept.Refused = s.Sequence, s.SequenceAt, s.Missed, s.Refused
		if slices.ContainsFunc(failures[:end], func(f *failure) bool { return f != nil }) {
			kept.LastError = s.LastError
		}
	}
	return o, nil
}

// settle keeps the outcome of an attempt, and reports whether to go on.
func (t *Transmitter) settle(ctx context.Context, s *store.Stream, o outcome) (more bool, err error) {
	if ctx.Err() != nil { // which is not the receiver's fault
		o.failed, o.more = nil, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout+attemptTimeout)
	defer cancel()
	now, before := t.now(), *s
	more = o.more && o.failed == nil
	pause := o.failed != nil && o.arrived == nil && before.Failures > 0 && now.Sub(before.FailingSince) >= pauseAfter
	if pause {
		t.deliver(ctx, before, aboutStream(t.config.Issuer, before, rand.Text(), streamUpdated, updated{store.StreamPaused, pauseReason}, now))
	}
	after, err := t.config.Store.UpdateStream(ctx, s.ID, func(kept *store.Stream) error {
		if !kept.DueAt.Equal(before.DueAt) {
			return errClaimLost
		}
		kept.DueAt = now
		if more {
			kept.DueAt = now.Add(lease)
		}
		if o.arrived != nil {
			kept.Failures, kept.FailingSince, kept.LastError = 0, time.Time{}, ""
			o.arrived(kept)
		}
		if o.failed != nil {
			fail(kept, now, o.failed)
		}
		if pause {
			kept.Status, kept.StatusReason = store.StreamPaused, pauseReason
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	t.logChange(ctx, before, after)
	*s = after
	return more, nil
}

const pauseReason = "The receiver has taken no event for 7 days. Set the status to enabled when it does."

// fail keeps that an attempt has failed.
func fail(s *store.Stream, now time.Time, f *failure) {
	if s.Failures == 0 {
		s.FailingSince = now
	}
	s.Failures++
	s.LastError = f.text
	s.DueAt = now.Add(max(backoff(s.Failures), min(f.retry, maxRetryAfter)))
}

// logChange logs that a receiver begins to fail, works again, or is given up.
func (t *Transmitter) logChange(ctx context.Context, before, after store.Stream) {
	log := t.config.Log.With("stream", after.ID, "endpoint", hostOf(after.Endpoint))
	switch {
	case before.Status == store.StreamEnabled && after.Status == store.StreamPaused:
		log.ErrorContext(ctx, "a receiver of security events has failed for too long, so its stream is paused", "since", before.FailingSince, "error", after.LastError,
			"remedy", "mend the receiver, and have it set the status of the stream to enabled")
	case before.Failures == 0 && after.Failures > 0:
		log.WarnContext(ctx, "a receiver of security events does not take them; it is tried again", "error", after.LastError)
	case before.Failures > 0 && after.Failures == 0:
		log.InfoContext(ctx, "a receiver of security events takes them again", "failures", before.Failures, "since", before.FailingSince)
	}
}

// deliver sends an event, and returns nil if the receiver has taken it (RFC 8935, section 2).
func (t *Transmitter) deliver(ctx context.Context, s store.Stream, event *claims) *failure {
	signed, err := t.signer.sign(ctx, event)
	if err != nil {
		t.fails(ctx, "signing", err)
		return &failure{text: "the event cannot be signed"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, strings.NewReader(signed))
	if err != nil {
		return &failure{text: "the endpoint cannot be used"}
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ostiary")
	if s.Authorization != "" {
		req.Header.Set("Authorization", s.Authorization)
	}
	res, err := t.client.Do(req)
	if err != nil {
		return &failure{text: unreachable(err)}
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes)) // whatever of it has come
	return answered(res, body)
}

// answered returns what an answer means.
func answered(res *http.Response, body []byte) *failure {
	if res.StatusCode/100 == 2 {
		return nil
	}
	f := &failure{text: "it answers " + strconv.Itoa(res.StatusCode)}
	if seconds, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 32); err == nil {
		f.retry = time.Duration(seconds) * time.Second
	}
	var refusal struct {
		Code string `json:"err"`
	}
	if res.StatusCode != http.StatusBadRequest || json.Unmarshal(body, &refusal) != nil {
		return f
	}
	switch refusal.Code {
	case "invalid_request", "access_denied", "invalid_state": // this event; the others are about the stream
		f.final = true
	case "authentication_failed", "invalid_key", "invalid_issuer", "invalid_audience":
	default:
		return f
	}
	f.text += " " + refusal.Code
	return f
}

// unreachable says why no answer has come, without what an address has sent.
func unreachable(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errPrivateAddress):
		return errPrivateAddress.Error()
	case errors.As(err, &dns):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return "its certificate is not accepted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("it does not answer within %v", attemptTimeout)
	default:
		return "it cannot be reached"
	}
}

// hostOf returns what of an endpoint is logged: its path may be secret.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// backoff returns the delay after a number of failures: half of it is random, so that
// what failed together is not tried together.
func backoff(failures int) time.Duration {
	delay := min(minBackoff<<min(failures-1, 20), maxBackoff)
	return delay/2 + mathrand.N(delay/2+1) //nolint:gosec // nobody gains from guessing it
}
