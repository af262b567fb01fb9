package measure

import (
	"fmt"
	"math"
	"strconv"
)

// A Goal is a figure that a contender should reach. It is told beside the
// result and decides nothing.
type Goal struct {
	Of Quantity
	// Limit is the most that reaches it, or the least where AtLeast is set.
	Limit   float64
	AtLeast bool
}

// A Quantity is what a Goal speaks of.
type Quantity uint8

// The quantities.
const (
	Ratio      Quantity = iota // to the baseline
	Value                      // in the unit of the section
	Allocs                     // allocations per operation
	Extra                      // allocations beyond the baseline's
	BelowPeers                 // the ratio, of which every peer's must be greater; has no Limit
)

// Met reports whether a line of the table reaches the goal. Ratios are compared
// as they are shown. Allocations are compared to a tenth, since now and then the
// runtime has one of its own, and extra ones to a whole one, since a transport
// batches its work now so, now so.
func (t Table) Met(l Line, g Goal) bool {
	var figure float64
	switch g.Of {
	case Value:
		figure = l.Value.Median
	case Allocs:
		figure = math.Round(l.Allocs*10) / 10
	case Extra:
		figure = math.Round(l.Extra)
	case BelowPeers:
		for _, other := range t.Lines {
			if other.Peer && other.Against == l.Against && other.Ratio.Median <= l.Ratio.Median {
				return false
			}
		}
		return true
	default:
		figure = math.Round(l.Ratio.Median*100) / 100
	}
	if g.AtLeast {
		return figure >= g.Limit
	}
	return figure <= g.Limit
}

// Text says the goal in words. The unit is that of the section.
func (g Goal) Text(unit string) string {
	sign := "≤ "
	if g.AtLeast {
		sign = "≥ "
	}
	switch g.Of {
	case Value:
		return sign + plain(g.Limit) + " " + unit
	case Allocs:
		return sign + plain(g.Limit) + " allocations"
	case Extra:
		return sign + plain(g.Limit) + " extra allocations"
	case BelowPeers:
		return "below every peer"
	default:
		return fmt.Sprintf("%s%.2f", sign, g.Limit)
	}
}

func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
