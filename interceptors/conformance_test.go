// Package interceptors_test tests every adapter with one table: a caller gets the same
// answer on every protocol and with every shape of call.
package interceptors_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A transport is one way to reach a handler.
type transport struct {
	name   string
	method string // of each service
	// start serves every service of the kit, each behind the guard, and returns
	// how to call them.
	start func(t *testing.T, guard *auth.Guard, s *service) caller
	// noChallenge is set where the protocol has no place for WWW-Authenticate.
	noChallenge bool
	// noQuery is set where the protocol has no place for a query.
	noQuery bool
	// decodeError is the code for a message that cannot be decoded.
	decodeError string
	// decodesLate is set where the handler runs before a message is decoded,
	// and decodesSoon where a message is decoded before the guard is asked.
	decodesLate, decodesSoon bool
}

func transports() []transport {
	return slices.Concat(connectTransports(), grpcTransports(), httpTransports())
}

// A caller makes one call.
type caller func(ctx context.Context, a attempt) outcome

// An attempt is what one call sends.
type attempt struct {
	service string // says which rule applies
	header  http.Header
	query   string
	body    []byte // one message
	hold    func() // is called when the header is on its way, and holds the message back
}

// An outcome is what one call brings back.
type outcome struct {
	reply     string
	code      string // "" when the call succeeded
	reason    auth.Reason
	refused   bool // whether there is a reason
	challenge string
	text      string // all texts of an error that the caller receives
}

// hello is a message that can be decoded, and undecodable is one that cannot.
var (
	hello, _    = proto.Marshal(wrapperspb.String("hello"))
	undecodable = []byte{0xff, 0xff, 0xff}
)

// A witness sees what the guard decides.
type witness struct {
	mu   sync.Mutex
	seen []auth.Decision
}

func (w *witness) Observe(_ context.Context, d auth.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, d)
}

// take returns what was decided since it was last asked.
func (w *witness) take() []auth.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func TestEveryTransportDecidesAlike(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	admitted, refused := k.goodCases(), k.badCases()
	guard := k.guard(t)
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			b := startTransport(t, transport, guard)
			for _, c := range admitted {
				b.admits(t, c)
			}
			for _, c := range refused {
				b.refuses(t, c)
			}
		})
	}
}

// A startedTransport is a transport whose server runs.
type startedTransport struct {
	transport

	call    caller
	service *service
	witness *witness
}

func startTransport(t *testing.T, transport transport, guard *auth.Guard) *startedTransport {
	t.Helper()
	b := &startedTransport{transport: transport, service: new(service), witness: new(witness)}
	b.call = transport.start(t, observed(guard, b.witness), b.service)
	return b
}

// try makes the call of a case. It returns the outcome, how often the handler ran, and
// the one decision of the guard.
func (b *startedTransport) try(t *testing.T, a attempt) (outcome, int, auth.Decision) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	before := b.service.ran.Load()
	got := b.call(ctx, a)
	decisions := b.witness.take()
	if len(decisions) != 1 {
		t.Fatalf("%d decisions about one call; want 1 (%+v)", len(decisions), got)
	}
	return got, int(b.service.ran.Load() - before), decisions[0]
}

func (b *startedTransport) admits(t *testing.T, c testCase) {
	t.Run("admits "+c.name, func(t *testing.T) {
		got, ran, decision := b.try(t, c.attempt)
		if got.code != "" || got.reply != c.caller+" hello" || ran != 1 {
			t.Errorf("got %+v after %d runs of the handler; want the reply to %s", got, ran, c.caller)
		}
		if decision.Refusal != nil {
			t.Errorf("the observer saw a refusal: %v", decision.Refusal)
		}
	})
}

func (b *startedTransport) refuses(t *testing.T, c testCase) {
	if c.query != "" && b.noQuery {
		return
	}
	t.Run("refuses "+c.name, func(t *testing.T) {
		got, ran, decision := b.try(t, c.attempt)
		b.assertRefused(t, got, &auth.Error{Reason: c.want, Demand: c.demand})
		if ran != 0 {
			t.Error("the handler ran")
		}
		if decision.Refusal == nil || decision.Refusal.Reason != c.want {
			t.Fatalf("the observer saw %v; want %v", decision.Refusal, c.want)
		}
		for _, secret := range c.secrets() {
			if strings.Contains(got.text, secret) {
				t.Errorf("the answer holds a part of the token: %s", got.text)
			}
			if logged := decision.Refusal.LogValue().String(); strings.Contains(logged, secret) {
				t.Errorf("the log holds a part of the token: %s", logged)
			}
		}
	})
}

func (b *startedTransport) assertRefusal(t *testing.T, got outcome, want auth.Reason) {
	t.Helper()
	b.assertRefused(t, got, auth.NewError(want, nil))
}

func (b *startedTransport) assertRefused(t *testing.T, got outcome, want *auth.Error) {
	t.Helper()
	if !got.refused || got.reason != want.Reason {
		t.Fatalf("reason %v (%t); want %v: %+v", got.reason, got.refused, want.Reason, got)
	}
	if got.code != want.Code().String() {
		t.Errorf("code %s; want %s", got.code, want.Code())
	}
	challenge := want.Challenge()
	if b.noChallenge {
		challenge = ""
	}
	if got.challenge != challenge {
		t.Errorf("WWW-Authenticate %q; want %q", got.challenge, challenge)
	}
	if !strings.Contains(got.text, want.Sentence()) {
		t.Errorf("answer %q; want the sentence %q", got.text, want.Sentence())
	}
	if link := auth.HelpFor(want.Reason.String()).GetLinks()[0].GetUrl(); !strings.Contains(got.text, link) {
		t.Errorf("answer %q; want a link to %s", got.text, link)
	}
}

// TestARefusalComesBeforeDecoding sends an undecodable message: with a bad token the
// error is about the token, and with a good one about the message.
func TestARefusalComesBeforeDecoding(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good, bad := bearer(k.session()), bearer(k.forged())
	guard := k.guard(t)
	for _, transport := range transports() {
		if transport.decodesSoon {
			continue
		}
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			b := startTransport(t, transport, guard)
			got, ran, _ := b.try(t, attempt{service: authenticated, header: bad, body: undecodable})
			b.assertRefusal(t, got, auth.SignatureInvalid)
			if ran != 0 {
				t.Error("the handler ran")
			}
			got, ran, _ = b.try(t, attempt{service: authenticated, header: good, body: undecodable})
			if got.refused || got.code != b.decodeError {
				t.Errorf("with a good token: %+v; want code %s and no reason", got, b.decodeError)
			}
			if ran != 0 && !b.decodesLate {
				t.Error("the handler ran")
			}
		})
	}
}
