// Package measure compares contenders on a machine that does not hold still.
//
//	section := measure.Section{Name: "cold", Contenders: []measure.Contender{
//		{Name: "crypto/rsa", Measure: measure.CPU(20*time.Millisecond, check)},
//		{Name: "ostiary", Against: "crypto/rsa", Measure: measure.CPU(20*time.Millisecond, verify)},
//	}}
//	table, err := section.Run(ctx, 31)
//
// The contenders take turns, in another order each round, and each is compared
// with its baseline within the round: whatever slows the machine down for more
// than a moment slows both. What is told is the median of the rounds and their
// quartiles, of CPU time rather than of time on the clock, so that a neighbour
// who takes the processor away is not counted.
package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Sample is what one turn of a contender came to.
type Sample struct {
	Value  float64 // per operation, in the unit of the section
	Allocs float64 // heap allocations per operation
}

// A Contender is one of those compared.
type Contender struct {
	Name string
	// Against names the contender that it is a ratio of. Empty means none.
	Against string
	// Ours marks this project's own, Peer another project's.
	Ours, Peer bool
	// Goals are what it should reach.
	Goals []Goal
	// Measure takes one turn.
	Measure func(ctx context.Context) (Sample, error)
}

// A Section is contenders that are measured together, and shown as one table.
type Section struct {
	Name  string // to choose it by
	Title string
	Note  string // what is measured, in Markdown
	Unit  string // of Sample.Value
	// Chart is the heading of its bars in the chart. Empty keeps it out.
	Chart string
	// Contenders in the order in which they are shown.
	Contenders []Contender
}

// A Table is a section with its results.
type Table struct {
	Section

	Rounds int
	Lines  []Line
}

// A Line is the result of one contender.
type Line struct {
	Contender
	Value  Quartiles
	Ratio  Quartiles // zero where the contender is compared with none
	Allocs float64   // median
	Extra  float64   // allocations beyond those of the baseline
}

// Run gives every contender one turn in each of the rounds. The first round is
// a rehearsal that warms up and is not counted.
func (s Section) Run(ctx context.Context, rounds int) (Table, error) {
	samples := make([][]Sample, len(s.Contenders))
	for round := range rounds + 1 {
		for _, i := range rand.Perm(len(s.Contenders)) { //nolint:gosec // an order, not a secret
			if err := ctx.Err(); err != nil {
				return Table{}, err
			}
			sample, err := s.Contenders[i].Measure(ctx)
			if err != nil {
				return Table{}, fmt.Errorf("%s, %s: %w", s.Name, s.Contenders[i].Name, err)
			}
			if round > 0 {
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return s.table(samples, rounds)
}

func (s Section) table(samples [][]Sample, rounds int) (Table, error) {
	table := Table{Section: s, Rounds: rounds, Lines: make([]Line, len(s.Contenders))}
	for i, contender := range s.Contenders {
		line := Line{
			Contender: contender,
			Value:     quartilesOf(samples[i], Sample.value),
			Allocs:    quartilesOf(samples[i], Sample.allocs).Median,
		}
		if contender.Against != "" {
			base := slices.IndexFunc(s.Contenders, func(c Contender) bool { return c.Name == contender.Against })
			if base < 0 {
				return Table{}, fmt.Errorf("section %s: %s is compared with %q, which does not contend", s.Name, contender.Name, contender.Against)
			}
			line.Ratio = ratios(samples[i], samples[base])
			line.Extra = line.Allocs - quartilesOf(samples[base], Sample.allocs).Median
		}
		table.Lines[i] = line
	}
	return table, nil
}

func (s Sample) value() float64  { return s.Value }
func (s Sample) allocs() float64 { return s.Allocs }
