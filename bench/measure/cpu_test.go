package measure_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/bench/measure"
)

// Allocations are counted of the whole process, so nothing runs beside this.
func TestCPUCountsAllocations(t *testing.T) { //nolint:paralleltest // see above
	var kept []*[64]byte
	take := measure.CPU(time.Millisecond, func(int) error {
		kept = append(kept[:0], new([64]byte), new([64]byte))
		return nil
	})
	sample, err := take(t.Context())
	if err != nil || sample.Value <= 0 || sample.Allocs < 2 || sample.Allocs > 2.5 {
		t.Errorf("%+v, %v; want two allocations and some time", sample, err)
	}
}

func TestMeasuringFailsWithTheOperation(t *testing.T) {
	t.Parallel()
	fault := errors.New("fault")
	fails := func(int) error { return fault }
	if _, err := measure.CPU(time.Millisecond, fails)(t.Context()); !errors.Is(err, fault) {
		t.Errorf("CPU: %v, want %v", err, fault)
	}
	if _, err := measure.Throughput(2, time.Millisecond, fails)(t.Context()); !errors.Is(err, fault) {
		t.Errorf("Throughput: %v, want %v", err, fault)
	}
}
