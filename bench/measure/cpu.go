package measure

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

// CPU measures an operation in this process, in nanoseconds of CPU time. A turn
// takes about the budget; how many operations that is, is found out in the
// first. Each operation is told which one of its turn it is.
func CPU(budget time.Duration, operation func(n int) error) func(context.Context) (Sample, error) {
	var n int
	return func(context.Context) (Sample, error) {
		if n == 0 {
			var err error
			if n, err = calibrate(budget, operation); err != nil {
				return Sample{}, err
			}
		}
		// What others left behind is not this one's to sweep up.
		runtime.GC()
		before := Now()
		if err := repeat(n, operation); err != nil {
			return Sample{}, err
		}
		return Now().Since(before).Per(n), nil
	}
}

func repeat(n int, operation func(n int) error) error {
	for i := range n {
		if err := operation(i); err != nil {
			return err
		}
	}
	return nil
}

// calibrate returns how many operations fill the budget.
func calibrate(budget time.Duration, operation func(n int) error) (int, error) {
	for n := 1; ; n *= 2 {
		before := Now()
		if err := repeat(n, operation); err != nil {
			return 0, err
		}
		if spent := Now().Since(before); spent.CPU >= budget/2 {
			return max(1, int(float64(n)*float64(budget)/float64(spent.CPU))), nil
		}
	}
}

// Usage is what a process has used up to a moment.
type Usage struct {
	// Before and After are its user and system time around the moment: counting
	// allocations stops the world, which is not to be counted itself.
	Before, After time.Duration
	Allocs        uint64 // heap objects allocated
}

// Now returns what this process has used.
func Now() Usage {
	before := cpuTime()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return Usage{Before: before, After: cpuTime(), Allocs: memory.Mallocs}
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic("measure: getrusage of this very process: " + err.Error())
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Spent is what was used between two moments.
type Spent struct {
	CPU    time.Duration
	Allocs uint64
}

// Since returns what was used after an earlier Now.
func (u Usage) Since(earlier Usage) Spent {
	return Spent{CPU: u.Before - earlier.After, Allocs: u.Allocs - earlier.Allocs}
}

// Per divides what was used by a number of operations; the Value is in
// nanoseconds.
func (s Spent) Per(n int) Sample {
	return Sample{Value: float64(s.CPU) / float64(n), Allocs: float64(s.Allocs) / float64(n)}
}

// Ballast makes the heap as large as that of a server that does something, until
// it is released. Next to an empty heap the collector would run all the time, and
// whoever allocates a little would seem to cost a lot.
func Ballast() (release func()) {
	ballast := make([]byte, 64<<20)
	return func() { runtime.KeepAlive(ballast) }
}
