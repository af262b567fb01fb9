package transmitter

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func names(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("sess_%03d", i))
	}
	return all
}

// sent waits until the receiver has events about exactly this.
func (r *receiver) sent(t *testing.T, want []string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	eventually(t, fmt.Sprintf("the receiver has %d events", len(want)), func() bool { return len(r.got()) >= len(want) })
	if got := r.got(); !slices.Equal(got, want) {
		t.Errorf("events about %q; want %q", got, want)
	}
}

// settled waits until nothing is to be sent.
func (b *bench) settled(t *testing.T) {
	t.Helper()
	latest := b.config().Latest().Sequence
	eventually(t, "every stream has everything", func() bool {
		return !slices.ContainsFunc(b.streams(), func(s store.Stream) bool {
			return s.Sequence != latest || s.Verification.Waits() || s.DueAt.After(b.now())
		})
	})
}

func TestWhatIsRevokedIsPushed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	b.revoke("before the stream")
	r := newReceiver(t)
	b.owner(tr, "one").create(r)
	b.revoke(names(0, 50)...)
	r.sent(t, names(0, 50))
	b.settled(t)
	if r.count() != 50 {
		t.Errorf("%d events; want each once", r.count())
	}
	header := r.first().header
	for name, want := range map[string]string{"Content-Type": "application/secevent+jwt", "Accept": "application/json", "Authorization": someHeader} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	if strings.Contains(b.log.String(), "never-to-be-seen") || strings.Contains(b.log.String(), "user_ada") {
		t.Errorf("the log has a secret or a user:\n%s", &b.log)
	}
}

func TestAReceiverThatFailsGetsEverythingLater(t *testing.T) {
	t.Parallel()
	redirected := newReceiver(t)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"it answers 500": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "never-to-be-seen", http.StatusInternalServerError)
		},
		"it answers 307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, redirected.URL, http.StatusTemporaryRedirect)
		},
		"it answers 400":                       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "never-to-be-seen", http.StatusBadRequest) },
		"it answers 400 authentication_failed": func(w http.ResponseWriter, _ *http.Request) { refuseEvent(w, "authentication_failed") },
		"it answers 400 invalid_key":           func(w http.ResponseWriter, _ *http.Request) { refuseEvent(w, "invalid_key") },
		"it cannot be reached":                 func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r := newReceiver(t)
			r.set(func(w http.ResponseWriter, req *http.Request, event received) bool {
				if event.about() == "sess_002" {
					answer(w, req)
					return true
				}
				return false
			})
			tr := b.start()
			b.owner(tr, "one").create(r)
			b.revoke(names(0, 20)...)
			eventually(t, "a failure is counted", func() bool { return b.streams()[0].Failures > 0 })
			s := b.streams()[0]
			if s.LastError != name || s.Sequence != 2 || s.FailingSince.IsZero() {
				t.Errorf("%+v; want it to be at 2, and the error %q", s, name)
			}
			b.advance(maxBackoff)
			eventually(t, "it is tried again", func() bool { return b.streams()[0].Failures > 1 })
			r.set(nil)
			b.advance(maxBackoff)
			r.sent(t, names(0, 20))
			b.settled(t)
			if s := b.streams()[0]; s.Failures != 0 || s.LastError != "" || !s.FailingSince.IsZero() {
				t.Errorf("%+v; want no failure", s)
			}
			log := b.log.String()
			if strings.Count(log, "does not take them") != 1 || strings.Count(log, "takes them again") != 1 || strings.Contains(log, "never-to-be-seen") {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
	if redirected.count() > 0 {
		t.Error("a redirect was followed")
	}
}

func refuseEvent(w http.ResponseWriter, code string) {
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"err": %q, "description": "never-to-be-seen"}`, code)
}

func TestAnEventThatIsRefusedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_request", "access_denied"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r := newReceiver(t)
			r.set(func(w http.ResponseWriter, _ *http.Request, event received) bool {
				if event.about() != "sess_001" {
					return false
				}
				refuseEvent(w, code)
				return true
			})
			tr := b.start()
			b.owner(tr, "one").create(r)
			b.revoke(names(0, 3)...)
			b.settled(t)
			if got := r.got(); !slices.Equal(got, []string{"sess_000", "sess_002"}) {
				t.Errorf("events about %q", got)
			}
			if s := b.streams()[0]; s.Refused != 1 || s.Failures != 0 || s.LastError != "it answers 400 "+code {
				t.Errorf("%+v; want one refused", s)
			}
			if log := b.log.String(); !strings.Contains(log, "refuses one") || strings.Contains(log, "never-to-be-seen") {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

func TestASlowReceiverKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	slow, quick := newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	slow.set(func(http.ResponseWriter, *http.Request, received) bool {
		<-release
		return false
	})
	tr := b.start()
	b.owner(tr, "slow").create(slow)
	b.owner(tr, "quick").create(quick)
	b.revoke(names(0, 5)...)
	quick.sent(t, names(0, 5))
	b.revoke(names(5, 10)...)
	quick.sent(t, names(0, 10))
	close(release)
	slow.sent(t, names(0, 10))
}

func TestAReceiverSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retryAfter string
		least      time.Duration
		most       time.Duration
	}{
		"later":              {"120", 2 * time.Minute, 2 * time.Minute},
		"in a year":          {"31536000", maxRetryAfter, maxRetryAfter},
		"sooner than we try": {"0", minBackoff / 2, minBackoff},
		"never":              {"-1", minBackoff / 2, minBackoff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			r := newReceiver(t)
			r.set(func(w http.ResponseWriter, _ *http.Request, _ received) bool {
				w.Header().Set("Retry-After", tt.retryAfter)
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			})
			tr := b.start()
			b.owner(tr, "one").create(r)
			b.revoke("sess_1")
			eventually(t, "a failure is counted", func() bool { return b.streams()[0].Failures > 0 })
			if wait := b.streams()[0].DueAt.Sub(tr.now()); wait < tt.least || wait > tt.most {
				t.Errorf("it waits for %v; want %v to %v", wait, tt.least, tt.most)
			}
		})
	}
}

func TestAStreamIsPausedWhenItsReceiverIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	var announced atomic.Pointer[received]
	r.set(func(w http.ResponseWriter, _ *http.Request, event received) bool {
		if event.about() == "stream-updated" {
			announced.Store(&event)
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(r)
	b.revoke("sess_1")
	eventually(t, "a failure is counted", func() bool { return b.streams()[0].Failures > 0 })
	b.advance(pauseAfter + time.Hour)
	eventually(t, "the stream is paused", func() bool { return b.streams()[0].Status == store.StreamPaused })
	event := announced.Load()
	if event == nil {
		t.Fatal("the receiver was not told")
	}
	details, _ := event.claims["events"].(map[string]any)[streamUpdated].(map[string]any)
	subject, _ := event.claims["sub_id"].(map[string]any)
	if details["status"] != "paused" || details["reason"] != pauseReason || subject["format"] != "opaque" || subject["id"] != id {
		t.Errorf("the receiver was told %v", event.claims)
	}
	if _, status := o.call(http.MethodGet, statusPath+"?stream_id="+id, ""); status["status"] != "paused" || status["reason"] != pauseReason || status["last_error"] != "it answers 500" {
		t.Errorf("the status is %v", status)
	}
	b.revoke("sess_2")
	r.set(nil)
	if status, body := o.call(http.MethodPost, statusPath, `{"stream_id": "`+id+`", "status": "enabled"}`); status != http.StatusOK || body["status"] != "enabled" {
		t.Fatalf("%d, %v", status, body)
	}
	r.sent(t, []string{"sess_1", "sess_2"})
}

func TestWhatHasExpiredMeanwhileIsCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(r)
	b.revoke("sess_0")
	b.settled(t)
	if status, body := o.call(http.MethodPost, statusPath, `{"stream_id": "`+id+`", "status": "paused", "reason": "night"}`); status != http.StatusOK || body["reason"] != "night" {
		t.Fatalf("%d, %v", status, body)
	}
	b.revoke(names(1, 4)...)
	b.advance(2 * time.Hour)
	b.revoke(names(4, 6)...)
	if _, err := b.db.Prune(t.Context(), store.Age{ExpiredBy: b.now()}, 100); err != nil {
		t.Fatal(err)
	}
	o.call(http.MethodPost, statusPath, `{"stream_id": "`+id+`", "status": "enabled"}`)
	r.sent(t, append(names(4, 6), "sess_0"))
	b.settled(t)
	if _, status := o.call(http.MethodGet, statusPath+"?stream_id="+id, ""); status["missed"] != 3.0 {
		t.Errorf("the status is %v; want 3 missed", status)
	}
	if !strings.Contains(b.log.String(), "had expired before") {
		t.Errorf("the log:\n%s", &b.log)
	}
	sum, err := tr.summarize(t.Context())
	if want := (Summary{Streams: 1, Missed: 3}); err != nil || sum != want {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
}

func TestTheSummarySaysWhoIsBehind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	r.set(func(w http.ResponseWriter, _ *http.Request, _ received) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	tr := b.start()
	o := b.owner(tr, "one")
	o.create(r)
	b.owner(tr, "two").create(nil)
	paused := o.create(nil)
	o.call(http.MethodPost, statusPath, `{"stream_id": "`+paused+`", "status": "paused"}`)
	b.revoke("sess_1")
	eventually(t, "a failure is counted", func() bool {
		return slices.ContainsFunc(b.streams(), func(s store.Stream) bool { return s.Failures > 0 })
	})
	b.advance(90 * time.Second)
	sum, err := tr.summarize(t.Context())
	if want := (Summary{Streams: 3, Failing: 1, Paused: 1, Lag: 90}); err != nil || sum != want {
		t.Errorf("%+v, %v; want %+v", sum, err, want)
	}
}

func TestAVerificationIsPushed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(r)
	if status, _ := o.call(http.MethodPost, verifyPath, `{"stream_id": "`+id+`", "state": "abc"}`); status != http.StatusNoContent {
		t.Fatal(status)
	}
	r.sent(t, []string{"verification"})
	b.settled(t)
	event := r.first().claims
	subject, _ := event["sub_id"].(map[string]any)
	details, _ := event["events"].(map[string]any)[verification].(map[string]any)
	if subject["format"] != "opaque" || subject["id"] != id || details["state"] != "abc" || event["aud"] != id || event["iss"] != someIssuer {
		t.Errorf("%v", event)
	}
	if status, _ := o.call(http.MethodPost, verifyPath, `{"stream_id": "`+id+`"}`); status != http.StatusTooManyRequests {
		t.Errorf("%d; want 429 within %v", status, minVerificationInterval)
	}
	b.advance(minVerificationInterval)
	if status, _ := o.call(http.MethodPost, verifyPath, `{"stream_id": "`+id+`"}`); status != http.StatusNoContent {
		t.Errorf("%d; want 204 after %v", status, minVerificationInterval)
	}
	eventually(t, "the second has come", func() bool { return r.count() == 2 })
}

func TestServersShareTheStreams(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.start()
	b.start()
	receivers := make([]*receiver, 3)
	for i := range receivers {
		receivers[i] = newReceiver(t)
		b.owner(first, fmt.Sprint(i)).create(receivers[i])
	}
	for i := range 10 {
		b.revoke(names(10*i, 10*i+10)...)
	}
	for _, r := range receivers {
		r.sent(t, names(0, 100))
	}
	b.settled(t)
	for _, r := range receivers {
		if r.count() != 100 {
			t.Errorf("%d events; want each once", r.count())
		}
	}
}

func TestAChangedEndpointGetsWhatTheOldOneDidNotTake(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old, next := newReceiver(t), newReceiver(t)
	old.set(func(w http.ResponseWriter, _ *http.Request, _ received) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	tr := b.start()
	o := b.owner(tr, "one")
	id := o.create(old)
	b.revoke("sess_1")
	eventually(t, "a failure is counted", func() bool { return b.streams()[0].Failures > 0 })
	body := fmt.Sprintf(`{"stream_id": %q, "delivery": {"method": %q, "endpoint_url": %q}}`, id, methodPush, next.URL)
	if status, answered := o.call(http.MethodPatch, streamPath, body); status != http.StatusOK {
		t.Fatalf("%d, %v", status, answered)
	}
	next.sent(t, []string{"sess_1"})
	if got := next.first().header.Get("Authorization"); got != "" {
		t.Errorf("the new endpoint got the header of the old one: %q", got)
	}
}

func TestCloseInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	arrived := make(chan struct{}, 100)
	r.set(func(_ http.ResponseWriter, req *http.Request, _ received) bool {
		arrived <- struct{}{}
		<-req.Context().Done()
		return true
	})
	first := b.start()
	b.owner(first, "one").create(r)
	b.revoke(names(0, 3)...)
	<-arrived
	first.Close()
	if s := b.streams()[0]; s.Failures != 0 || s.Sequence != 0 {
		t.Errorf("%+v; want no failure, since the receiver was not given the time", s)
	}
	r.set(nil)
	b.start()
	r.sent(t, names(0, 3))
}

// A database that was restored from a backup may lack what was sent.
func TestEverythingIsSentAgainIfTheDatabaseLacksWhatWasSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := newReceiver(t)
	idle := b.start()
	b.owner(idle, "one").create(r)
	idle.Close()
	b.revoke("sess_1", "sess_2")
	if _, err := b.db.UpdateStream(t.Context(), b.streams()[0].ID, func(s *store.Stream) error {
		s.Sequence, s.SequenceAt = 1, b.now().Add(-time.Hour) // when it was another
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.start()
	r.sent(t, []string{"sess_1", "sess_2"})
	b.settled(t)
	if s := b.streams()[0]; s.Missed != 0 || !strings.Contains(b.log.String(), "is sent again") {
		t.Errorf("%+v; want none missed, and a warning in\n%s", s, &b.log)
	}
}

func TestTheAnswerOfAReceiverIsBounded(t *testing.T) {
	t.Parallel()
	res := httptest.NewRecorder()
	res.Code = http.StatusBadRequest
	for body, want := range map[string]string{
		"":                                  "it answers 400",
		"[]":                                "it answers 400",
		`{"err": "<script>"}`:               "it answers 400",
		`{"err": 1}`:                        "it answers 400",
		`{"err": "invalid_audience"}`:       "it answers 400 invalid_audience",
		strings.Repeat("[", maxAnswerBytes): "it answers 400",
	} {
		if got := answered(res.Result(), []byte(body)); got == nil || got.text != want || got.final {
			t.Errorf("%.20q: %+v; want %q", body, got, want)
		}
	}
}
