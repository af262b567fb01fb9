package decisions

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// BenchmarkObserve is what a call waits where nothing is written and nobody watches. It has the
// memory of a server, so that it is collected as seldom.
func BenchmarkObserve(b *testing.B) {
	server := make([]byte, 64<<20)
	for name, d := range map[string]auth.Decision{
		"admitted": admittedCall(), "refused": refusedCall(auth.TokenExpired, true), "of a stranger": refusedCall(auth.TokenMissing, false),
	} {
		b.Run(name, func(b *testing.B) {
			l, err := Open(Config{Output: None})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Observe(b.Context(), d)
			}
		})
	}
	server[0] = 1
}

// BenchmarkWatchRecent is what it costs to begin a watch with all that is kept.
func BenchmarkWatchRecent(b *testing.B) {
	l, err := Open(Config{Output: None})
	if err != nil {
		b.Fatal(err)
	}
	for range maxRecent {
		l.Observe(b.Context(), admittedCall())
		l.Observe(b.Context(), refusedCall(auth.TokenExpired, true))
	}
	for b.Loop() {
		w, _ := l.WatchRecent()
		w.Close()
	}
}
