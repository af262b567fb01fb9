package measure

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Throughput measures how many operations a number of goroutines get through in
// a millisecond on the clock, each doing as many. It is the one measure that
// time on the clock suits: CPU time does not tell who waits for whom.
func Throughput(goroutines int, budget time.Duration, operation func(n int) error) func(context.Context) (Sample, error) {
	var n int
	return func(context.Context) (Sample, error) {
		if n == 0 {
			var err error
			if n, err = calibrate(budget, operation); err != nil {
				return Sample{}, err
			}
		}
		runtime.GC()
		errs := make([]error, goroutines)
		var done sync.WaitGroup
		before, start := Now(), time.Now()
		for i := range goroutines {
			done.Go(func() { errs[i] = repeat(n, operation) })
		}
		done.Wait()
		elapsed := time.Since(start)
		for _, err := range errs {
			if err != nil {
				return Sample{}, err
			}
		}
		operations := n * goroutines
		sample := Now().Since(before).Per(operations)
		sample.Value = float64(operations) / float64(elapsed) * float64(time.Millisecond)
		return sample, nil
	}
}
