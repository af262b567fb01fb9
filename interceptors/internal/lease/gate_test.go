package lease

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAClosedGateLetsNobodyEnter(t *testing.T) {
	t.Parallel()
	var g Gate
	for range 2 {
		if !g.Enter() {
			t.Fatal("an open gate lets somebody not enter")
		}
	}
	g.Leave()
	g.Close()
	if g.Enter() {
		t.Error("a closed gate lets somebody enter")
	}
	if g.Drained(time.Millisecond) {
		t.Error("it is drained while somebody is inside")
	}
	g.Leave()
	if !g.Drained(0) {
		t.Error("it is not drained although nobody is inside")
	}
	g.Wait() // or the test hangs
}

func TestADrainingGateWaitsForTheLast(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stays time.Duration
		want  bool
		after time.Duration
	}{
		"who leaves in time":    {stays: time.Second, want: true, after: time.Second},
		"who does not":          {stays: time.Hour, want: false, after: time.Minute},
		"who leaves at the end": {stays: time.Minute - 1, want: true, after: time.Minute - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var g Gate
				for _, stays := range []time.Duration{tt.stays, tt.stays / 2} {
					g.Enter()
					go func() { pass(stays); g.Leave() }()
				}
				g.Close()
				began := time.Now()
				if got := g.Drained(time.Minute); got != tt.want || time.Since(began) != tt.after {
					t.Errorf("Drained = %t after %v; want %t after %v", got, time.Since(began), tt.want, tt.after)
				}
				if g.Wait(); time.Since(began) != tt.stays {
					t.Errorf("Wait returned after %v; want %v", time.Since(began), tt.stays)
				}
			})
		})
	}
}

// pass lets time go by in a bubble of synctest, where nobody waits for it.
func pass(d time.Duration) { <-time.After(d) }
