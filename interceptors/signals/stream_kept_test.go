package signals_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/signals"
)

// What another process has asked for is no failure here, and neither is that what is asked
// for here has gone to another.
func TestAStreamOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		stream := newStream(t, m, func(c *signals.StreamConfig) { c.Shared = true })
		kit := newEventKit(t, func(c *signals.SecurityEventsConfig) { c.Stream, c.Audiences, c.Now = stream, nil, time.Now })
		runsStream(t, stream)
		pass(4 * time.Minute)
		if got := stream.Status(); got.Stale || got.Asked.IsZero() || !got.Verified.IsZero() {
			t.Errorf("Status = %+v; want that it was asked for, and is not stale", got)
		}
		c := claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"verification", object{"state": "of another"})
		if got := kit.push(t, kit.sign(with(c, "iat", time.Now().Unix()))); got.status != http.StatusAccepted {
			t.Errorf("one that another has asked for: answered %+v", got)
		}
		verified, asked := stream.Status().Verified, stream.Status().Asked
		if !verified.Equal(time.Now()) {
			t.Errorf("verified at %v; want now", verified)
		}
		m.route("POST /verify", always(http.StatusTooManyRequests, nil)) // another has asked
		pass(10 * time.Minute)
		if got := stream.Status(); got.LastError != "" || got.Stale || !got.Asked.Equal(asked) || len(m.states) < 2 {
			t.Errorf("Status = %+v after %d verifications; want no error", got, len(m.states))
		}
		if got := kit.receiver.Status(); got.Refused != 0 {
			t.Errorf("%d refused; want none", got.Refused)
		}
	})
}

func TestAStreamThatIsGoneIsCreatedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		stream := newStream(t, m, nil)
		runsStream(t, stream)
		synctest.Wait()
		m.route("POST /verify", always(http.StatusNotFound, nil))
		m.route("POST /streams", always(http.StatusCreated, pushed(object{"stream_id": "second"})))
		m.route("GET /status?stream_id=second", always(http.StatusOK, object{"status": "enabled"}))
		pass(6*time.Minute + 15*time.Second)
		m.route("POST /verify", always(http.StatusNoContent, nil))
		pass(time.Minute)
		if got := stream.Status(); got.ID != "second" || got.LastError != "" {
			t.Errorf("Status = %+v", got)
		}
	})
}

// A transmitter without a verification endpoint can pause a stream all the same.
func TestAStreamWithoutVerificationIsEnabledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		stream := newStream(t, m, func(c *signals.StreamConfig) { c.Transmitter.VerificationURL = "" })
		runsStream(t, stream)
		synctest.Wait()
		m.route("GET /status?stream_id=f67e39a0", always(http.StatusOK, object{"status": "paused"}))
		pass(6*time.Minute + 15*time.Second)
		if sent := m.sent(); sent[len(sent)-1] != "POST /status" || slices.Contains(sent, "POST /verify") {
			t.Errorf("sent %v; want that it was enabled, and not verified", sent)
		}
		m.route("GET /status?stream_id=f67e39a0", always(http.StatusServiceUnavailable, nil))
		pass(6*time.Minute + 15*time.Second)
		if got := stream.Status(); got.LastError == "" {
			t.Errorf("Status = %+v; want that it cannot be managed", got)
		}
		m.route("GET /status?stream_id=f67e39a0", always(http.StatusOK, object{"status": "enabled"}))
		pass(6*time.Minute + 15*time.Second)
		if got := stream.Status(); got.LastError != "" || got.Stale || !got.Asked.IsZero() {
			t.Errorf("Status = %+v; want no error, and that nothing was verified", got)
		}
	})
}

// A transmitter pauses a stream whose receiver was away for too long, and cannot say so.
func TestAStreamThatIsPausedIsEnabledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		stream := newStream(t, m, nil)
		runsStream(t, stream)
		synctest.Wait()
		m.route("GET /status?stream_id=f67e39a0", always(http.StatusOK, object{"status": "paused"}))
		m.route("POST /status", always(http.StatusForbidden, nil))
		pass(6*time.Minute + 15*time.Second)
		if got := stream.Status(); got.LastError == "" || len(m.states) != 2 {
			t.Errorf("Status = %+v after %d verifications; want that it cannot be enabled, and another verification", got, len(m.states))
		}
		m.route("POST /status", always(http.StatusOK, object{"status": "enabled"}))
		pass(6*time.Minute + 15*time.Second)
		if got := stream.Status(); got.Status != "enabled" || got.LastError != "" || !slices.Contains(m.sent(), "POST /status") {
			t.Errorf("Status = %+v; want it enabled", got)
		}
	})
}
