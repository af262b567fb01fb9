package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

var (
	call      = store.Call{Issuer: ada.Issuer, Subject: "user_ada", Procedure: "/a.Service/Method", RequestID: "1"}
	errBroken = errors.New("broken")
)

// answerTo returns an answer that says how many revocations there are.
func answerTo(call store.Call, hash string) *store.Answer {
	return &store.Answer{Call: call, Hash: []byte(hash), At: at(0), Encode: func(saved []store.Revocation) ([]byte, error) {
		return fmt.Appendf(nil, "%d, for %s", len(saved), hash), nil
	}}
}

func answers(t *testing.T, database Database) {
	s := open(t, database)
	wantAnswer := func(call store.Call, want string) {
		t.Helper()
		hash, answer, err := s.Answer(t.Context(), call)
		if got := string(hash) + ": " + string(answer); err != nil || got != want {
			t.Errorf("%+v: %q, %v; want %q", call, got, err, want)
		}
	}
	batch := []store.Revocation{{Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: "sess_1"}, ExpiresAt: at(time.Hour)}}
	wantAnswer(call, ": ")
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), batch, answerTo(call, "hash")))
	wantAnswer(call, "hash: 1, for hash")
	if _, err := s.SaveRevocations(t.Context(), batch, answerTo(call, "other")); !errors.Is(err, store.ErrAnswered) {
		t.Errorf("a second answer: %v; want ErrAnswered", err)
	}
	wantAnswer(call, "hash: 1, for hash")
	equal(t, "the revocations", revocations(t, s), saved)

	for _, differ := range []func(*store.Call){
		func(c *store.Call) { c.Issuer = "https://two.example.com" },
		func(c *store.Call) { c.Subject = "user_ben" },
		func(c *store.Call) { c.Procedure = "/a.Service/Other" },
		func(c *store.Call) { c.RequestID = "2" },
	} {
		other := call
		differ(&other)
		wantAnswer(other, ": ")
		must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), nil, answerTo(other, "none")))
		wantAnswer(other, "none: 0, for none")
	}

	failing := answerTo(store.Call{RequestID: "4"}, "")
	failing.Encode = func([]store.Revocation) ([]byte, error) { return nil, errBroken }
	if _, err := s.SaveRevocations(t.Context(), batch, failing); !errors.Is(err, errBroken) {
		t.Errorf("an answer that cannot be written: %v", err)
	}
	equal(t, "the revocations in the end", revocations(t, s), saved)

	old := answerTo(store.Call{RequestID: "5"}, "old")
	old.At = at(-time.Hour)
	must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), nil, old))
	equal(t, "pruned", must[store.Pruned](t)(s.Prune(t.Context(), store.Age{AnsweredBefore: at(0)}, 10)), store.Pruned{Answers: 1})
	wantAnswer(old.Call, ": ")
	wantAnswer(call, "hash: 1, for hash")
	equal(t, "pruned by number", must[store.Pruned](t)(s.Prune(t.Context(), store.Age{AnsweredBefore: at(time.Hour)}, 2)), store.Pruned{Answers: 2})
}

func concurrentAnswers(t *testing.T, database Database) {
	one, other := open(t, database), open(t, database)
	const callers = 8
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		s := []store.Store{one, other}[i%2]
		wg.Go(func() {
			_, errs[i] = s.SaveRevocations(t.Context(), []store.Revocation{{
				Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: fmt.Sprint(i)}, ExpiresAt: at(time.Hour),
			}}, answerTo(call, fmt.Sprint(i)))
		})
	}
	wg.Wait()
	kept := revocations(t, one)
	if len(kept) != 1 {
		t.Fatalf("%d revocations are kept; want 1", len(kept))
	}
	for i, err := range errs {
		if won := fmt.Sprint(i) == kept[0].Target.Value; won != (err == nil) || !won && !errors.Is(err, store.ErrAnswered) {
			t.Errorf("caller %d: %v; want ErrAnswered, except for %s", i, err, kept[0].Target.Value)
		}
	}
	hash, _, err := other.Answer(t.Context(), call)
	if err != nil || string(hash) != kept[0].Target.Value {
		t.Errorf("the answer is that of %s, %v; want that of %s", hash, err, kept[0].Target.Value)
	}
}
