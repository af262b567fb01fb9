package signals_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
)

const pollURL = "https://idp.example.com/ssf/poll/1"

// A pollRequest is what a poller sends, and when.
type pollRequest struct {
	MaxEvents         int
	ReturnImmediately bool
	Ack               []string
	SetErrs           map[string]struct{ Err, Description string }

	at            time.Time
	authorization string
}

// A pollQueue is the poll endpoint of a transmitter, as the transport of a client.
type pollQueue struct {
	mu        sync.Mutex
	sets      map[string]any
	requests  []pollRequest
	atOnce    bool // it holds no polls
	forgetful bool // it forgets what was acknowledged
	answer    func(*http.Request) (reply, error)
	added     chan struct{}
}

func newPollQueue() *pollQueue {
	return &pollQueue{sets: map[string]any{}, added: make(chan struct{}, 100)}
}

func (q *pollQueue) add(id string, set any) {
	q.mu.Lock()
	q.sets[id] = set
	q.mu.Unlock()
	q.added <- struct{}{}
}

// answers has the endpoint answer otherwise; nil is as before.
func (q *pollQueue) answers(answer func(*http.Request) (reply, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answer = answer
}

func (q *pollQueue) sent() []pollRequest {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.requests)
}

func (q *pollQueue) RoundTrip(r *http.Request) (*http.Response, error) {
	request := pollRequest{at: time.Now(), authorization: r.Header.Get("Authorization")}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.Method != http.MethodPost || r.URL.String() != pollURL || r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL, err)
	}
	q.mu.Lock()
	q.requests = append(q.requests, request)
	answer := q.answer
	if answer == nil && !q.forgetful {
		for _, id := range request.Ack {
			delete(q.sets, id)
		}
		for id := range request.SetErrs {
			delete(q.sets, id)
		}
	}
	q.mu.Unlock()
	if answer != nil {
		return respond(answer(r))
	}
	for {
		q.mu.Lock()
		sets := map[string]any{}
		for id, set := range q.sets {
			if len(sets) < request.MaxEvents {
				sets[id] = set
			}
		}
		q.mu.Unlock()
		if len(sets) > 0 || q.atOnce || request.ReturnImmediately {
			return respond(reply{body: string(mustJSON(object{"sets": sets}))}, nil)
		}
		select {
		case <-q.added:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// A reply is an answer of HTTP, with status 200 unless it says otherwise.
type reply struct {
	status int
	body   string
	header http.Header
}

func respond(r reply, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: cmp.Or(r.status, http.StatusOK), Header: r.header, Body: io.NopCloser(strings.NewReader(r.body))}, nil
}

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// startPoller runs a poller until the test ends, and returns what stops it.
func startPoller(t *testing.T, kit *eventKit, queue *pollQueue, change func(*signals.PollConfig)) (*signals.Poller, func()) {
	t.Helper()
	config := signals.PollConfig{Events: kit.config, URL: pollURL, HTTPClient: &http.Client{Transport: queue}}
	if change != nil {
		change(&config)
	}
	poller, err := signals.NewPoller(config)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		poller.Run(t.Context())
	}()
	stop := func() {
		if err := poller.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	}
	t.Cleanup(stop)
	return poller, stop
}

// eventOf is an event for a user, with this jti.
func (k *eventKit) eventOf(id string) string {
	return fastKey().Sign(eventHeader("EdDSA"), mustJSON(with(claims(issSubUser, caep+"session-revoked", happened), "jti", id)))
}

func TestWhatIsPolledIsAcknowledgedOnceItIsInForce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		poller, stop := startPoller(t, kit, queue, func(c *signals.PollConfig) { c.TokenSource = authclient.StaticToken("t0ken") })
		synctest.Wait()
		queue.add("1", kit.eventOf("1"))
		synctest.Wait()
		queue.add("2", fastKey().Sign(eventHeader("EdDSA"), mustJSON(with(claims(issSubUser, caep+"session-revoked", happened), "aud", "other"))))
		synctest.Wait()
		queue.add("3", kit.eventOf("another"))
		synctest.Wait()
		queue.add("4", 7)
		synctest.Wait()
		forged := kit.eventOf("5")
		queue.add("5", forged[:len(forged)-8]+"AAAAAAAA")
		synctest.Wait()
		queue.add("6", fastKey().Sign(eventHeader("EdDSA"), mustJSON(with(claims(issSubUser, caep+"session-established", object{}), "jti", "6"))))
		synctest.Wait()
		requests := queue.sent()
		var reported []string
		for _, request := range requests {
			if request.MaxEvents != 50 || request.ReturnImmediately || request.authorization != "Bearer t0ken" || !request.at.Equal(requests[0].at) {
				t.Errorf("request %+v", request)
			}
			reported = append(reported, request.Ack...)
			for id, reason := range request.SetErrs {
				reported = append(reported, id+" "+reason.Err)
				if reason.Description == "" {
					t.Errorf("%s has no description", id)
				}
			}
		}
		if want := []string{"1", "2 invalid_audience", "3 invalid_request", "4 invalid_request", "5 invalid_key", "6"}; !slices.Equal(reported, want) {
			t.Errorf("reported %q; want %q", reported, want)
		}
		if taken := kit.sink.taken(); len(taken) != 1 || taken[0].ID != "1" {
			t.Errorf("revoked %+v", taken)
		}
		if got := poller.Status(); got.Accepted != 1 || got.Ignored != 1 || got.Refused != 4 || got.LastPoll != eventNow {
			t.Errorf("Status = %+v", got)
		}
		stop()
		// The last poll was held, and it is not known whether it has reported anything.
		if after := queue.sent()[len(requests):]; len(after) != 1 || !after[0].ReturnImmediately || after[0].MaxEvents != 0 || !slices.Equal(after[0].Ack, []string{"6"}) {
			t.Errorf("at the end: %+v; want the last acknowledgement again", after)
		}
	})
}

func TestWhatTheSinkDidNotTakeIsPolledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		kit.sink.fail(errors.New("the disk is full"))
		poller, _ := startPoller(t, kit, queue, nil)
		queue.add("1", kit.eventOf("1"))
		pass(30 * time.Second)
		requests := queue.sent()
		// At 0, about 1, 3, 7 and 15 seconds.
		if len(requests) != 5 && len(requests) != 6 {
			t.Errorf("%d polls in half a minute", len(requests))
		}
		for _, request := range requests {
			if len(request.Ack)+len(request.SetErrs) > 0 {
				t.Errorf("reported %+v", request)
			}
		}
		kit.sink.fail(nil)
		pass(time.Minute)
		requests = queue.sent()
		if last := requests[len(requests)-1]; !slices.Equal(last.Ack, []string{"1"}) || len(kit.sink.taken()) != 1 {
			t.Errorf("the last poll was %+v, revoked %+v", last, kit.sink.taken())
		}
		if got := poller.Status(); got.Accepted != 1 || got.Failed < 5 || got.LastError != "the disk is full" {
			t.Errorf("Status = %+v", got)
		}
	})
}

// keysLater are keys that are there from the third look on.
type keysLater struct {
	jwks.Set

	looks int
}

func (k *keysLater) Lookup(ctx context.Context, hint jwks.Hint) ([]*jwks.Key, error) {
	if k.looks++; k.looks < 3 {
		return nil, jwks.ErrUnknownKey
	}
	return k.Set.Lookup(ctx, hint)
}

// What is reported does not come again, so a new key has time to show.
func TestAnEventIsNotGivenUpBeforeItsKeyCanBeKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		kit.config.Keys = &keysLater{Set: kit.config.Keys}
		_, stop := startPoller(t, kit, queue, nil)
		queue.add("1", kit.eventOf("1"))
		pass(time.Minute)
		queue.add("2", kit.sign(with(claims(issSubUser, caep+"session-revoked", happened), "jti", "2"))) // by a stranger
		pass(time.Minute)
		stop()
		var reported []string
		for _, request := range queue.sent() {
			reported = append(reported, request.Ack...)
			for id, reason := range request.SetErrs {
				reported = append(reported, id+" "+reason.Err)
			}
		}
		if want := []string{"1", "2 invalid_key"}; !slices.Equal(slices.Compact(reported), want) { // the last report is sent again at the end
			t.Errorf("reported %q; want %q", reported, want)
		}
		if got := len(kit.sink.taken()); got != 1 {
			t.Errorf("it was stored %d times; want once", got)
		}
	})
}

func TestATransmitterThatAnswersAtOnceIsPolledAtIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		queue.atOnce = true
		startPoller(t, kit, queue, func(c *signals.PollConfig) { c.Interval = 4 * time.Second })
		pass(time.Minute)
		for i, requests := 1, queue.sent(); i < len(requests); i++ {
			if pause := requests[i].at.Sub(requests[i-1].at); pause < 3*time.Second || pause > 4*time.Second {
				t.Errorf("a pause of %v", pause)
			}
		}
		queue.add("1", kit.eventOf("1"))
		pass(4 * time.Second)
		requests := queue.sent()
		i := slices.IndexFunc(requests, func(r pollRequest) bool { return len(r.Ack) > 0 })
		if i < 0 || !requests[i].at.Equal(requests[i-1].at) {
			t.Errorf("it was not acknowledged at once: %+v", requests)
		}
	})
}

func TestATransmitterThatForgetsAcknowledgementsIsNotPolledInALoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		queue.forgetful = true
		queue.add("1", kit.eventOf("1"))
		poller, _ := startPoller(t, kit, queue, nil)
		pass(time.Minute)
		if got := len(queue.sent()); got < 10 || got > 20 {
			t.Errorf("%d polls in a minute; want one in about 5 seconds", got)
		}
		if got := poller.Status(); got.Accepted != 1 || got.Repeated < 10 {
			t.Errorf("Status = %+v", got)
		}
	})
}

func TestAPollThatIsHeldForLongIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		poller, _ := startPoller(t, kit, queue, nil)
		pass(time.Hour + time.Second)
		if got := len(queue.sent()); got != 31 {
			t.Errorf("%d polls in an hour; want one each two minutes", got)
		}
		if got := poller.Status(); got != (signals.Status{Source: "security-events"}) {
			t.Errorf("Status = %+v", got)
		}
	})
}

func TestAPollThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	const leaked = "l3aked"
	answer := func(status int, body string) func(*http.Request) (reply, error) {
		return func(*http.Request) (reply, error) { return reply{status: status, body: body}, nil }
	}
	for name, tt := range map[string]struct {
		answer  func(*http.Request) (reply, error)
		want    string
		seldom  bool // it asked to be left alone
		success bool
	}{
		"an outage":             {answer(http.StatusServiceUnavailable, leaked), "the poll endpoint answered with status 503", false, false},
		"a stream that is gone": {answer(http.StatusNotFound, leaked), "the poll endpoint answered with status 404", false, false},
		"a refusal":             {answer(http.StatusUnauthorized, leaked), "the poll endpoint answered with status 401", false, false},
		"too many requests": {func(*http.Request) (reply, error) {
			return reply{http.StatusTooManyRequests, leaked, http.Header{"Retry-After": {"45"}}}, nil
		}, "the poll endpoint answered with status 429", true, false},
		"a redirect": {func(*http.Request) (reply, error) {
			return reply{http.StatusTemporaryRedirect, leaked, http.Header{"Location": {"https://elsewhere.example.com/" + leaked}}}, nil
		}, "the poll endpoint answered with status 307", false, false},
		"text that is no JSON":   {answer(http.StatusOK, "<"+leaked+">"), "the poll endpoint answered what cannot be read: not a JSON object", false, false},
		"more than one object":   {answer(http.StatusOK, `{}{"sets":{}}`), "the poll endpoint answered what cannot be read: data after the JSON object", false, false},
		"a set twice":            {answer(http.StatusOK, `{"sets":{"1":"","1":""}}`), "the poll endpoint answered what cannot be read: repeated member name in a JSON object", false, false},
		"sets that are a list":   {answer(http.StatusOK, `{"sets":["x"]}`), "the poll endpoint answered with sets that are no object", false, false},
		"an answer without end":  {answer(http.StatusOK, strings.Repeat(" ", 9<<20)), "the poll endpoint: its answer is longer than 8388608 bytes", false, false},
		"a connection that ends": {func(*http.Request) (reply, error) { return reply{}, io.ErrUnexpectedEOF }, "the poll endpoint: unexpected EOF", false, false},
		"an answer without sets": {answer(http.StatusOK, `{"moreAvailable":true}`), "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit, queue := newFastKit(t), newPollQueue()
				queue.answers(tt.answer)
				poller, _ := startPoller(t, kit, queue, nil)
				pass(40 * time.Second)
				status := poller.Status()
				if status.LastError != tt.want || status.LastPoll.IsZero() == tt.success || strings.Contains(status.LastError, leaked) {
					t.Errorf("Status = %+v", status)
				}
				if got := len(queue.sent()); (got == 1) != tt.seldom || got > 20 {
					t.Errorf("%d polls", got)
				}
				queue.answers(nil)
				queue.add("1", kit.eventOf("1"))
				pass(time.Minute)
				if got := poller.Status(); got.Accepted != 1 || got.LastPoll != eventNow {
					t.Errorf("and then: %+v", got)
				}
			})
		})
	}
}

func TestAPollIsSentWithAFreshTokenIfItWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		queue.answers(func(r *http.Request) (reply, error) {
			if r.Header.Get("Authorization") == "Bearer fresh" {
				return reply{body: `{}`}, nil
			}
			return reply{status: http.StatusUnauthorized}, nil
		})
		poller, _ := startPoller(t, kit, queue, func(c *signals.PollConfig) {
			c.TokenSource = authclient.TokenFunc(func(ctx context.Context) (string, error) {
				if authclient.FreshTokenWanted(ctx) {
					return "fresh", nil
				}
				return "old", nil
			})
		})
		synctest.Wait()
		if got := poller.Status(); got.LastPoll.IsZero() || got.LastError != "" || len(queue.sent()) != 2 {
			t.Errorf("Status = %+v after %+v", got, queue.sent())
		}
	})
}

func TestWhatWasTakenIsAcknowledgedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		first := true
		queue.answers(func(r *http.Request) (reply, error) {
			if first {
				first = false
				return reply{body: string(mustJSON(object{"sets": object{"1": kit.eventOf("1")}}))}, nil
			}
			<-r.Context().Done() // the acknowledgement does not arrive
			return reply{}, r.Context().Err()
		})
		_, stop := startPoller(t, kit, queue, nil)
		synctest.Wait()
		began := time.Now()
		stop()
		requests := queue.sent()
		last := requests[len(requests)-1]
		last.at = time.Time{}
		if want := (pollRequest{ReturnImmediately: true, Ack: []string{"1"}}); len(requests) != 3 || !reflect.DeepEqual(last, want) {
			t.Errorf("the last of %d requests was %+v; want %+v", len(requests), last, want)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the end took %v; want 5 seconds, as nobody answers", took)
		}
	})
}

func TestMoreEventsThanWereAskedForAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit, queue := newFastKit(t), newPollQueue()
		sets := object{}
		for i := range 5 {
			sets[fmt.Sprint(i)] = kit.eventOf(fmt.Sprint(i))
		}
		queue.answers(func(*http.Request) (reply, error) {
			return reply{body: string(mustJSON(object{"sets": sets, "moreAvailable": true}))}, nil
		})
		poller, _ := startPoller(t, kit, queue, func(c *signals.PollConfig) { c.MaxEvents = 2 })
		synctest.Wait()
		if got, first := poller.Status(), queue.sent()[0]; got.Accepted != 2 || first.MaxEvents != 2 {
			t.Errorf("Status = %+v after %+v; want 2 accepted", got, first)
		}
	})
}

func TestSettingsOfPollsThatCannotWork(t *testing.T) {
	t.Parallel()
	kit := newFastKit(t)
	for name, tt := range map[string]struct {
		change func(*signals.PollConfig)
		want   string
	}{
		"no URL":              {func(c *signals.PollConfig) { c.URL = "" }, "cannot be used"},
		"a URL with a user":   {func(c *signals.PollConfig) { c.URL = "https://me:s3cret@idp.example.com" }, "cannot be used"},
		"plaintext":           {func(c *signals.PollConfig) { c.URL = "http://idp.example.com" }, "must be https"},
		"too many events":     {func(c *signals.PollConfig) { c.MaxEvents = 201 }, "MaxEvents"},
		"negative events":     {func(c *signals.PollConfig) { c.MaxEvents = -1 }, "MaxEvents"},
		"a negative interval": {func(c *signals.PollConfig) { c.Interval = -1 }, "Interval"},
		"an authorization":    {func(c *signals.PollConfig) { c.Events.Authorizations = []string{"Bearer s3cret-0123456789"} }, "Authorizations"},
		"no transmitter":      {func(c *signals.PollConfig) { c.Events.Transmitter = "" }, "Transmitter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := signals.PollConfig{Events: kit.config, URL: "http://127.0.0.1:1/poll"}
			tt.change(&config)
			poller, err := signals.NewPoller(config)
			if err == nil || poller != nil || !strings.HasPrefix(err.Error(), "signals.NewPoller: ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v; want %s", err, tt.want)
			}
		})
	}
}
