package measure_test

import (
	"testing"

	"github.com/ostiary/ostiary/bench/measure"
)

func TestMet(t *testing.T) {
	t.Parallel()
	ours := measure.Line{
		Contender: measure.Contender{Name: "ours", Against: "base"},
		Ratio:     measure.Quartiles{Median: 1.104},
		Value:     measure.Quartiles{Median: 800},
		Allocs:    20.04,
		Extra:     0.4,
	}
	peer := func(ratio float64) measure.Line {
		return measure.Line{
			Contender: measure.Contender{Name: "peer", Against: "base", Peer: true},
			Ratio:     measure.Quartiles{Median: ratio},
		}
	}
	for _, tt := range []struct {
		name string
		goal measure.Goal
		peer measure.Line
		want bool
	}{
		{"a ratio at the limit, as it is shown", measure.Goal{Of: measure.Ratio, Limit: 1.10}, peer(2), true},
		{"a ratio over the limit", measure.Goal{Of: measure.Ratio, Limit: 1.09}, peer(2), false},
		{"a ratio that should be greater", measure.Goal{Of: measure.Ratio, Limit: 1.8, AtLeast: true}, peer(2), false},
		{"a ratio that is great enough", measure.Goal{Of: measure.Ratio, Limit: 1.1, AtLeast: true}, peer(2), true},
		{"a value at the limit", measure.Goal{Of: measure.Value, Limit: 800}, peer(2), true},
		{"a value over the limit", measure.Goal{Of: measure.Value, Limit: 799}, peer(2), false},
		{"allocations of the runtime's own", measure.Goal{Of: measure.Allocs, Limit: 20}, peer(2), true},
		{"an allocation too many", measure.Goal{Of: measure.Allocs, Limit: 19}, peer(2), false},
		{"extra allocations of the transport's own", measure.Goal{Of: measure.Extra}, peer(2), true},
		{"below a peer", measure.Goal{Of: measure.BelowPeers}, peer(1.2), true},
		{"no better than a peer", measure.Goal{Of: measure.BelowPeers}, peer(1.104), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := measure.Table{Lines: []measure.Line{ours, tt.peer}}
			if got := table.Met(ours, tt.goal); got != tt.want {
				t.Errorf("Met = %t, want %t", got, tt.want)
			}
		})
	}
}
