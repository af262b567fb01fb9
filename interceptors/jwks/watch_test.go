package jwks

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchersLearnOfEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := newBubble(t)
		keys := issuer.remote(t)
		synctest.Wait()
		first, err := findOne(t, keys, Hint{KeyID: "first", Algorithm: "ES256"})
		if err != nil {
			t.Fatal(err)
		}
		var one, two atomic.Int64
		live := make(chan bool, 10)
		stopOne := keys.Watch(func() { one.Add(1); live <- first.Live() })
		stopTwo := keys.Watch(func() { two.Add(1) })
		defer stopTwo()
		expect := func(after string, wantOne, wantTwo int64) {
			t.Helper()
			pass(15 * time.Minute)
			if one.Load() != wantOne || two.Load() != wantTwo {
				t.Errorf("after %s: %d and %d calls, want %d and %d", after, one.Load(), two.Load(), wantOne, wantTwo)
			}
		}
		expect("nothing", 0, 0)
		issuer.publish(t, "first", "second")
		expect("a key more", 1, 1)
		if !<-live {
			t.Error("the key that stayed is dead")
		}
		issuer.publish(t, "second")
		expect("a key less", 2, 2)
		if <-live {
			t.Error("the watcher was called before the removed key was dead")
		}
		issuer.answerWith(body(string(keySet(t, issuer.keys["second"], issuer.keys["first"].with("use", "enc")))))
		expect("an entry that is not used", 2, 2)
		issuer.answerWith(hang)
		expect("an outage", 2, 2)
		stopOne()
		stopOne()
		issuer.publish(t, "first")
		expect("another key, with one watcher gone", 2, 3)
	})
}

// TestAWatcherMayWatchAndStop: it is called without a lock.
func TestAWatcherMayWatchAndStop(t *testing.T) {
	t.Parallel()
	var w watchers
	calls := 0
	var stop func()
	stop = w.add(func() {
		calls++
		stop()
		w.add(func() { calls += 10 })
	})
	w.notify()
	w.notify()
	if calls != 11 {
		t.Errorf("%d, want one call of the first watcher and one of the second", calls)
	}
}

var _ Watcher = (*Remote)(nil)
