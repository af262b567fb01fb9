package measure_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/bench/measure"
)

// turns returns a contender that measures these values, one a turn; the first is
// the rehearsal's.
func turns(values ...float64) func(context.Context) (measure.Sample, error) {
	next := 0
	return func(context.Context) (measure.Sample, error) {
		next++
		return measure.Sample{Value: values[next-1], Allocs: 2 * values[next-1]}, nil
	}
}

func TestRunComparesWithinEachRound(t *testing.T) {
	t.Parallel()
	table, err := measure.Section{Name: "s", Contenders: []measure.Contender{
		{Name: "base", Measure: turns(99, 1, 2, 10)},
		{Name: "ours", Against: "base", Measure: turns(99, 2, 4, 30)},
	}}.Run(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := table.Lines[0].Value, (measure.Quartiles{Lower: 1.5, Median: 2, Upper: 6}); got != want {
		t.Errorf("base: %+v, want %+v", got, want)
	}
	if got := table.Lines[0].Ratio; got != (measure.Quartiles{}) {
		t.Errorf("the baseline has a ratio: %+v", got)
	}
	if got, want := table.Lines[1].Ratio, (measure.Quartiles{Lower: 2, Median: 2, Upper: 2.5}); got != want {
		t.Errorf("ours: %+v, want %+v", got, want)
	}
	if got := table.Lines[1].Extra; got != 4 {
		t.Errorf("%v extra allocations, want 4", got)
	}
}

func TestRunFailsWithoutItsBaseline(t *testing.T) {
	t.Parallel()
	_, err := measure.Section{Name: "s", Contenders: []measure.Contender{
		{Name: "ours", Against: "nobody", Measure: turns(1, 1)},
	}}.Run(t.Context(), 1)
	if err == nil {
		t.Error("compared with nobody")
	}
}

func TestRunTellsWhoFailed(t *testing.T) {
	t.Parallel()
	fault := errors.New("fault")
	_, err := measure.Section{Name: "s", Contenders: []measure.Contender{
		{Name: "ours", Measure: func(context.Context) (measure.Sample, error) { return measure.Sample{}, fault }},
	}}.Run(t.Context(), 1)
	if !errors.Is(err, fault) || err.Error() != "s, ours: fault" {
		t.Errorf("Run: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := measure.Section{Contenders: []measure.Contender{{Measure: turns(1)}}}.Run(ctx, 1)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v, want %v", err, context.Canceled)
	}
}
