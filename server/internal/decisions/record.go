package decisions

import (
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	// maxText bounds each text of a token, in bytes.
	maxText = 1 << 10
	// maxCause bounds a cause.
	maxCause = 2 << 10
)

// The outcomes, named as in metrics.
const (
	Admitted = "admitted"
	Refused  = "refused"
	Ended    = "ended" // of a stream that had been admitted
)

// A Record is what is kept of a decision: a line of the file, or a message of a watch. It has
// no token. The zero value of a field means that nothing is known of it.
type Record struct {
	Time time.Time `json:"time"`
	// ID names the decision. Those of one run of the server begin alike, and end with a
	// number that counts up, so that a gap is seen. It is empty where Count is not 1.
	ID        string `json:"decision_id,omitempty"`
	Procedure string `json:"procedure,omitempty"`
	Protocol  string `json:"protocol,omitempty"`
	Outcome   string `json:"outcome,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Cause     string `json:"cause,omitempty"`
	// Requirement is the part of the rule that the caller does not meet.
	Requirement string `json:"requirement,omitempty"`
	// RuleSource is where the rule came from.
	RuleSource string         `json:"rule_source,omitempty"`
	Issuer     string         `json:"issuer,omitempty"`
	Subject    string         `json:"subject,omitempty"`
	Kind       auth.TokenKind `json:"-"`
	KindName   string         `json:"kind,omitempty"`
	Session    string         `json:"session_id,omitempty"`
	// Organization is the id of the one that the caller acts in.
	Organization    string `json:"organization_id,omitempty"`
	ClientID        string `json:"client_id,omitempty"`
	AuthorizedParty string `json:"authorized_party,omitempty"`
	TokenID         string `json:"token_id,omitempty"`
	KeyID           string `json:"key_id,omitempty"`
	TokenHash       string `json:"token_hash,omitempty"`
	Actor           *Actor `json:"actor,omitempty"`
	Peer            string `json:"peer,omitempty"`
	RequestID       string `json:"request_id,omitempty"`
	TraceID         string `json:"trace_id,omitempty"`
	SpanID          string `json:"span_id,omitempty"`
	// Duration is how long it took to decide; in lines, Microseconds.
	Duration     time.Duration `json:"-"`
	Microseconds int64         `json:"duration_us,omitempty"`
	// Count is how many decisions the record stands for. Above 1 they were not recorded one by
	// one: strangers had caused them, or a service reports them.
	Count int64 `json:"count"`
	// Lost is how many records could not be written before this one, which stands for none.
	Lost uint64 `json:"lost,omitempty"`
	// Service and Instance are those that have reported the decision; empty for this server.
	Service  string `json:"-"`
	Instance string `json:"-"`
}

// An Actor is who really acts, where the caller is impersonated.
type Actor struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Session string `json:"session_id,omitempty"`
	Type    string `json:"type,omitempty"`
}

// An entry is a decision on its way to a Record. Of a call that was admitted it holds what the
// decision has, so that the call does not wait while its record is made. Of any other it holds
// the Record, whose size is bounded: a stranger can have any call refused.
type entry struct {
	time     time.Time // when it was decided; of a decision that is reported, when it came
	number   uint64
	bytes    int // about how many it keeps in memory
	decision auth.Decision
	trace    trace
	rule     string // where it came from
	count    int64  // 0 for 1 that has an ID
	record   *Record
}

// A trace is that of a call.
type trace struct{ traceID, spanID string }

// settle makes the Record, unless the entry admits a call. Its texts are copies: those of the
// decision may be parts of a long token, and keep all of it in memory.
func (e *entry) settle() {
	if e.decision.Refusal == nil {
		return
	}
	e.record = e.newRecord()
	for _, text := range e.record.texts() {
		*text = strings.Clone(*text)
	}
	e.decision = auth.Decision{}
}

// decided returns when it was decided, by the clock of who has decided it.
func (e *entry) decided() time.Time {
	if e.record != nil {
		return e.record.Time
	}
	return e.time
}

// outcome returns what the entry is counted as.
func (e *entry) outcome() outcome {
	if e.record != nil {
		return outcome{e.record.Outcome, e.record.Reason}
	}
	return outcome{name: Admitted}
}

// size returns about how many bytes the entry keeps in memory.
func (e *entry) size() int {
	const fixed = 1 << 10
	switch {
	case e.record != nil:
		return fixed + e.record.size()
	case e.decision.Identity != nil:
		return fixed + len(e.decision.Identity.RawClaims)
	default:
		return fixed
	}
}

// record returns the Record of an entry, with its ID.
func (l *Log) record(e *entry) *Record {
	r := e.record
	switch {
	case r == nil:
		r = e.newRecord()
	case e.count == 0:
		copied := *r
		r = &copied
	}
	if e.count == 0 {
		r.ID = l.id(e.number)
	}
	return r
}

// newRecord returns the Record of the entry's decision, without an ID.
func (e *entry) newRecord() *Record {
	d := &e.decision
	r := &Record{
		Time: e.time.UTC(), Procedure: d.Procedure, Protocol: d.Protocol, Outcome: outcomeOf(d), Peer: d.Peer, RequestID: d.RequestID,
		TraceID: e.trace.traceID, SpanID: e.trace.spanID, Duration: d.Duration, Microseconds: d.Duration.Microseconds(), Count: max(e.count, 1),
	}
	if d.Refusal != nil {
		r.Reason, r.Requirement = d.Refusal.Reason.String(), d.Refusal.Requirement
		if d.Refusal.Cause != nil {
			r.Cause = cut(d.Refusal.Cause.Error(), maxCause)
		}
	}
	token := d.Token()
	r.Issuer, r.Subject, r.Session = cut(token.Issuer, maxText), cut(token.Subject, maxText), cut(token.SessionID, maxText)
	r.TokenID, r.KeyID, r.TokenHash, r.RuleSource = cut(token.TokenID, maxText), cut(token.KeyID, maxText), token.TokenHash, e.rule
	if id := d.Identity; id != nil {
		r.Kind, r.KindName = id.Kind, id.Kind.String()
		r.Organization, r.ClientID, r.AuthorizedParty = cut(id.Organization.ID, maxText), cut(id.ClientID, maxText), cut(id.AuthorizedParty, maxText)
		if a := id.Actor; a != nil {
			r.Actor = &Actor{cut(a.Issuer, maxText), cut(a.Subject, maxText), cut(a.SessionID, maxText), cut(a.Type, maxText)}
		}
	}
	return r
}

func outcomeOf(d *auth.Decision) string {
	switch {
	case d.Ended:
		return Ended
	case d.Refusal != nil:
		return Refused
	default:
		return Admitted
	}
}

// texts returns the texts of the Record that others have chosen.
func (r *Record) texts() []*string {
	texts := []*string{
		&r.Procedure, &r.Cause, &r.Requirement, &r.RuleSource, &r.Issuer, &r.Subject, &r.Session, &r.Organization, &r.ClientID, &r.AuthorizedParty,
		&r.TokenID, &r.KeyID, &r.TokenHash, &r.Peer, &r.RequestID, &r.TraceID, &r.SpanID, &r.Service, &r.Instance,
	}
	if a := r.Actor; a != nil {
		texts = append(texts, &a.Issuer, &a.Subject, &a.Session, &a.Type)
	}
	return texts
}

// size returns how many bytes the texts of the Record have.
func (r *Record) size() (n int) {
	for _, text := range r.texts() {
		n += len(*text)
	}
	return n
}

// cut returns text, or as much of it as may be kept.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
