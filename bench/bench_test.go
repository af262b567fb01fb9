package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the process of clients, and the process of a benchmark that
// takes turns with others.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(clientsEnv) != "":
		if err := serveOrders(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv(turnsEnv) != "":
		os.Exit(m.Run())
	default:
		goleak.VerifyTestMain(m)
	}
}

// take has turns taken: as many and as long as the harness wants, or the testing
// package when the benchmark is run alone. The constants are reported with each.
func take(b *testing.B, constants figures, turn func(n int) (figures, error)) {
	b.Helper()
	// The heap is as large as that of a server that does something. Next to an
	// empty heap the collector would run all the time, and code that allocates a
	// little would seem to cost a lot.
	defer runtime.KeepAlive(make([]byte, 64<<20))
	if os.Getenv(turnsEnv) != "" {
		takeTurns(b, constants, turn)
		return
	}
	b.ReportAllocs()
	b.ResetTimer()
	got, err := turn(b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	for _, f := range []figures{constants, got} {
		for unit, value := range f {
			b.ReportMetric(value, unit)
		}
	}
}

// takeTurns takes a turn for each number that the harness writes: see process.
func takeTurns(b *testing.B, constants figures, take func(n int) (figures, error)) {
	b.Helper()
	turns := os.NewFile(3, "turns")
	for {
		var n int
		if _, err := fmt.Scanln(&n); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			b.Fatal(err)
		}
		var t turn
		var err error
		if t.Figures, err = take(n); err != nil {
			t.Error = err.Error()
		}
		for unit, value := range constants {
			if t.Figures != nil {
				t.Figures[unit] = value
			}
		}
		if err := json.NewEncoder(turns).Encode(t); err != nil {
			b.Fatal(err)
		}
	}
}

// measure measures an operation in this process. It is given its number within
// the turn.
func measure(b *testing.B, constants figures, operation func(i int) error) {
	b.Helper()
	take(b, constants, func(n int) (figures, error) {
		return cost(n, "op", func() error { return repeat(n, operation) })
	})
}

func repeat(n int, operation func(i int) error) error {
	for i := range n {
		if err := operation(i); err != nil {
			return err
		}
	}
	return nil
}

// cost returns the CPU time, user and system, and the allocations of this process
// while it works, for each of n operations.
func cost(n int, per string, work func() error) (figures, error) {
	runtime.GC() // others' garbage is not counted
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	err := work()
	spent := cpuTime() - start // ReadMemStats stops the world, which is not counted either
	runtime.ReadMemStats(&after)
	return figures{
		"cpu-ns/" + per: float64(spent) / float64(n),
		"allocs/" + per: float64(after.Mallocs-before.Mallocs) / float64(n),
	}, err
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic("getrusage of this very process: " + err.Error())
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// held returns what the process holds for each of n things that fill makes.
func held(n int, per string, fill func() error) (figures, error) {
	before, goroutines := memory(), runtime.NumGoroutine()
	err := fill()
	after := memory()
	each := func(before, after float64) float64 { return (after - before) / float64(n) }
	return figures{
		"heap-bytes/" + per:  each(float64(before.HeapAlloc), float64(after.HeapAlloc)),
		"stack-bytes/" + per: each(float64(before.StackInuse), float64(after.StackInuse)),
		"goroutines/" + per:  each(float64(goroutines), float64(runtime.NumGoroutine())),
	}, err
}

// memory returns the statistics once all garbage is gone.
func memory() runtime.MemStats {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats
}

// size is smaller in a quick run.
func size(full, quick int) int {
	if testing.Short() {
		return quick
	}
	return full
}
