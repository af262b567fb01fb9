package signals

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// The bounds of polling.
const (
	defaultPollEvents   = 50
	maxPollEvents       = 200
	maxPollBytes        = 8 << 20
	defaultPollInterval = 5 * time.Second
	// longPoll is how long an answer may take: most transmitters hold a poll for less.
	longPoll = 2 * time.Minute
	// lastAck bounds the acknowledgement of what was taken just before the end.
	lastAck = 5 * time.Second
	// The pause after a failure, which doubles with each.
	minPollPause, maxPollPause = time.Second, time.Minute
	// maxKeyTries is how often an event is fetched whose key is not known, in some 15
	// seconds: a cache in front of the keys can be older than the key. What is reported
	// does not come again.
	maxKeyTries = 5
)

// PollConfig says where events are fetched, and whose are believed.
type PollConfig struct {
	// Events say whose events are believed, and of whom they may speak. Their
	// Authorizations must be empty: nothing is pushed.
	Events SecurityEventsConfig
	// URL is where the events of the stream are fetched: the endpoint_url of its delivery.
	// It is https, or http on a loopback address. Required, unless Events have a Stream,
	// which says where.
	URL string
	// TokenSource gives the tokens that are sent with each poll. nil sends none.
	TokenSource authclient.TokenSource
	// MaxEvents is how many events are fetched at once. Default: 50. At most 200.
	MaxEvents int
	// Interval is the pause after a poll that brought nothing, if the transmitter does not
	// hold polls until there is something; up to a quarter of it is left out at random. An
	// event then takes up to as long. Default: 5 seconds.
	Interval time.Duration
	// HTTPClient makes the requests. It follows no redirects. Default: one like
	// http.DefaultClient. A poll takes at most two minutes.
	HTTPClient *http.Client
}

// A Poller fetches the events of a transmitter. Its methods are safe for concurrent use.
type Poller struct {
	config PollConfig
	caller *caller
	reader *eventReader
	inbox  *inbox
	ctx    context.Context // ends with Close
	stop   context.CancelFunc
	turn   chan struct{} // holds one element while Run runs

	// How often events with unknown keys have come, by the jti that they are named by: those
	// of the last poll. Only Run uses it.
	unknownKeys map[string]int
}

// NewPoller returns a poller of the events of a transmitter (RFC 8936), which mean what
// [NewSecurityEvents] says:
//
//	poller, err := signals.NewPoller(signals.PollConfig{Events: events, URL: url, TokenSource: tokens})
//	go poller.Run(ctx)
//	defer poller.Close()
//
// It asks the transmitter to hold its answer until there are events. What it has taken is
// acknowledged with the next poll, at once, and only if it is in force; what is refused is
// reported with its error code; and what the sink did not take is left to come again, as is
// for some 15 seconds what is signed with an unknown key, which may be a new one. After
// a failure it pauses for about a second, which doubles up to a minute, or for as long as
// Retry-After says, up to ten minutes.
//
// The error names everything that is wrong with the configuration. Nothing is fetched
// before Run.
func NewPoller(config PollConfig) (*Poller, error) {
	reader, err := newEventReader(config.Events)
	faults := []error{err}
	if config.URL != "" || config.Events.Stream == nil {
		faults = append(faults, checkURL("the URL of the poll endpoint", config.URL))
	}
	if config.MaxEvents == 0 {
		config.MaxEvents = defaultPollEvents
	}
	if config.MaxEvents < 1 || config.MaxEvents > maxPollEvents {
		faults = append(faults, fmt.Errorf("MaxEvents must be at most %d", maxPollEvents))
	}
	if config.Interval == 0 {
		config.Interval = defaultPollInterval
	}
	if config.Interval < 0 {
		faults = append(faults, errors.New("the Interval must not be negative"))
	}
	if len(config.Events.Authorizations) > 0 {
		faults = append(faults, errors.New("the Authorizations are for events that are pushed: leave them out, and give Tokens"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("signals.NewPoller: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Poller{
		config: config, caller: newCaller(config.HTTPClient, config.TokenSource), reader: reader,
		inbox: newInbox(reader.config.Name, config.Events.Sink, config.Events.Now, config.Events.Logger),
		ctx:   ctx, stop: stop, turn: make(chan struct{}, 1),
	}, nil
}

// Status returns what became of the events until now.
func (p *Poller) Status() Status { return p.inbox.Status() }

// Close ends Run, and returns when it has ended. It always returns nil.
func (p *Poller) Close() error {
	p.stop()
	p.turn <- struct{}{}
	<-p.turn
	return nil
}

// Run fetches events until ctx ends or the poller is closed. What was taken just before is
// acknowledged within five seconds, or comes again.
func (p *Poller) Run(ctx context.Context) {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forget := context.AfterFunc(p.ctx, cancel) //nolint:contextcheck // two contexts end it
	defer forget()

	var due pollReport // what the next poll reports
	pause := minPollPause
	for ctx.Err() == nil {
		began := time.Now()
		sets, retryAfter, err := p.poll(ctx, due)
		if ctx.Err() != nil {
			break
		}
		wait := time.Duration(0)
		switch {
		case errors.Is(err, errHeld):
			err = nil
		case err != nil:
			p.inbox.unanswered(err)
			wait = max(jittered(pause), retryAfter)
		default:
			p.inbox.answered()
			reported := due
			if due, err = p.take(ctx, sets); err != nil {
				wait = jittered(pause)
			} else if !due.news(reported) {
				wait = jittered(p.config.Interval) - time.Since(began)
			}
		}
		if pause = min(2*pause, maxPollPause); err == nil {
			pause = minPollPause
		}
		sleep(ctx, wait)
	}
	if !due.empty() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAck)
		defer cancel()
		// What is not acknowledged comes again, and changes nothing.
		_, _ = p.caller.call(ctx, http.MethodPost, p.url(ctx), pollRequest{ReturnImmediately: true, pollReport: due}, maxPollBytes)
	}
}

// errHeld is that the transmitter has held a poll for as long as we wait.
var errHeld = errors.New("the poll was held for too long")

// A pollReport says what became of events (RFC 8936, section 2.2).
type pollReport struct {
	Acknowledged []string              `json:"ack,omitempty"`
	Errors       map[string]eventError `json:"setErrs,omitempty"`
}

func (r *pollReport) empty() bool { return len(r.Acknowledged)+len(r.Errors) == 0 }

// news reports whether an event is in the report that was not in the one before.
func (r *pollReport) news(before pollReport) bool {
	for id := range r.Errors {
		if _, known := before.Errors[id]; !known {
			return true
		}
	}
	return slices.ContainsFunc(r.Acknowledged, func(id string) bool { return !slices.Contains(before.Acknowledged, id) })
}

type pollRequest struct {
	MaxEvents         int  `json:"maxEvents"`
	ReturnImmediately bool `json:"returnImmediately"`
	pollReport
}

// poll reports what became of the events of the last poll, and returns the next ones.
func (p *Poller) poll(ctx context.Context, due pollReport) (sets strictjson.Object, retryAfter time.Duration, err error) {
	to := p.url(ctx)
	polling, cancel := context.WithTimeout(ctx, longPoll)
	defer cancel()
	a, err := p.caller.call(polling, http.MethodPost, to, pollRequest{MaxEvents: p.config.MaxEvents, pollReport: due}, maxPollBytes)
	switch {
	case err != nil && ctx.Err() == nil && polling.Err() != nil:
		return nil, 0, errHeld
	case err != nil:
		return nil, 0, fmt.Errorf("the poll endpoint: %w", err)
	case a.status != http.StatusOK:
		return nil, a.retryAfter, fmt.Errorf("the poll endpoint answered with status %d", a.status)
	}
	members, err := strictjson.Parse(nil, string(a.body))
	if err != nil {
		return nil, 0, fmt.Errorf("the poll endpoint answered what cannot be read: %w", err)
	}
	if sets := members.Get("sets"); sets != "" {
		members, isObject := sets.Members(nil)
		if !isObject {
			return nil, 0, errors.New("the poll endpoint answered with sets that are no object")
		}
		return members[:min(len(members), p.config.MaxEvents)], 0, nil
	}
	return nil, 0, nil
}

// url returns where events are fetched. It waits for the stream, if that is to say it.
func (p *Poller) url(ctx context.Context) string {
	if p.config.URL != "" {
		return p.config.URL
	}
	return p.config.Events.Stream.pollURL(ctx)
}

// take takes the events of a poll, each by the jti that it is named by, and returns what to
// report of them. The error is the last one for which an event is to come again.
func (p *Poller) take(ctx context.Context, sets strictjson.Object) (due pollReport, again error) {
	unknownKeys := make(map[string]int)
	defer func() { p.unknownKeys = unknownKeys }()
	for _, set := range sets {
		err := p.takeOne(ctx, set)
		refused, isRefused := errors.AsType[*refusal](err)
		reason, _ := auth.ReasonOf(err)
		switch {
		case err == nil:
			due.Acknowledged = append(due.Acknowledged, set.Name)
		case reason == auth.KeyUnknown && p.unknownKeys[set.Name]+1 < maxKeyTries:
			unknownKeys[set.Name] = p.unknownKeys[set.Name] + 1
			again = err
		case isRefused:
			if due.Errors == nil {
				due.Errors = make(map[string]eventError)
			}
			due.Errors[set.Name] = eventError{refused.code, refused.message}
		default:
			again = err
		}
	}
	return due, again
}

func (p *Poller) takeOne(ctx context.Context, set strictjson.Member) error {
	raw, ok := set.Value.Text()
	if !ok {
		return p.inbox.refused(invalid("it is no string"))
	}
	message, err := p.reader.read(ctx, raw)
	if err == nil && message.ID != set.Name {
		err = &refusal{status: http.StatusBadRequest, code: "invalid_request", message: "its jti is not the one that it is sent under", signed: true}
	}
	if err != nil {
		return p.inbox.refused(err)
	}
	return p.inbox.take(ctx, message)
}

// jittered returns a duration of three quarters of d up to d, so that programs that
// started together do not poll together.
func jittered(d time.Duration) time.Duration {
	return d - rand.N(d/4+1) //nolint:gosec // it spreads load and keeps no secret
}

// sleep returns when ctx ends, if that is sooner.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
