package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A harness measures benchmarks on a machine whose speed changes all the time.
// Each benchmark of a section has a process of its own, prepared once. Then they
// take turns, in another order each round, and each is compared with its
// baseline within the round: what slows the machine down for more than a moment
// slows both.
type harness struct {
	program string        // the test binary
	quick   bool          // passes -short to it
	rounds  int           // of turns
	laps    int           // rounds with servers for each round without
	turn    time.Duration // how long a turn takes, about
}

// A result is a table with its figures.
type result struct {
	table
	rounds int
	lines  []line
}

// A line is the result of one row. Figures are medians unless they are quartiles.
type line struct {
	row
	value   quartiles
	ratio   quartiles // zero where the row is compared with none
	allocs  float64   // NaN where none are counted
	extra   float64   // allocations beyond those of the baseline
	figures figures   // of the first turn, for what is the same in each
}

// run measures a section.
func (h harness) run(ctx context.Context, s section) ([]result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rounds := h.rounds
	if s.kind == withServers {
		rounds *= h.laps
	}
	samples := make(map[string][]figures)
	measure := h.interleave
	if s.kind == once {
		rounds, measure = 1, h.oneByOne
	}
	if err := measure(ctx, s.benchmarks(), rounds, samples); err != nil {
		return nil, err
	}
	results := make([]result, len(s.tables))
	for i, t := range s.tables {
		var err error
		if results[i], err = resultOf(t, samples, rounds); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// interleave lets the benchmarks take turns.
func (h harness) interleave(ctx context.Context, names []string, rounds int, samples map[string][]figures) (err error) {
	var processes []*process
	defer func() {
		for _, p := range processes {
			err = errors.Join(err, p.close())
		}
	}()
	for _, name := range names {
		p, err := start(ctx, h.program, name, h.quick)
		if err != nil {
			return err
		}
		processes = append(processes, p)
		if err := p.rehearse(h.turn); err != nil {
			return err
		}
	}
	for range rounds {
		for _, i := range rand.Perm(len(processes)) { //nolint:gosec // an order, not a secret
			figures, err := processes[i].take()
			if err != nil {
				return err
			}
			samples[names[i]] = append(samples[names[i]], figures)
		}
	}
	return nil
}

// oneByOne leaves each benchmark the machine to itself, for a single turn: it
// takes a while, or what it measures is no matter of luck.
func (h harness) oneByOne(ctx context.Context, names []string, _ int, samples map[string][]figures) error {
	for _, name := range names {
		p, err := start(ctx, h.program, name, h.quick)
		if err != nil {
			return err
		}
		figures, err := p.take()
		if err := errors.Join(err, p.close()); err != nil {
			return err
		}
		samples[name] = append(samples[name], figures)
	}
	return nil
}

func resultOf(t table, samples map[string][]figures, rounds int) (result, error) {
	result := result{table: t, rounds: rounds}
	for _, r := range t.rows {
		metric := t.metricOf(r)
		_, per, _ := strings.Cut(metric, "/")
		own := samples[t.benchmark(r)]
		line := line{row: r, value: quartilesOf(own, metric, nil), allocs: quartilesOf(own, "allocs/"+per, nil).median}
		if len(own) > 0 {
			line.figures = own[0]
		}
		switch {
		case r.minus != "":
			bare, guarded := result.named(r.minus), result.lines[len(result.lines)-1]
			line.value = quartiles{median: guarded.value.median - bare.value.median}
			line.allocs = math.NaN()
		case r.against != "":
			base := result.named(r.against)
			if base.name == "" {
				return result, fmt.Errorf("%s is compared with %q, which is no row above it", t.benchmark(r), r.against)
			}
			line.ratio = quartilesOf(own, metric, samples[t.benchmark(base.row)])
			line.extra = line.allocs - base.allocs
		}
		if math.IsNaN(line.value.median) {
			return result, fmt.Errorf("%s reports no %s", t.benchmark(r), metric)
		}
		result.lines = append(result.lines, line)
	}
	return result, nil
}

// named returns the line of that name above, or one of NaN.
func (r result) named(name string) line {
	for _, l := range r.lines {
		if l.name == name {
			return l
		}
	}
	return line{value: quartiles{median: math.NaN()}}
}

// Quartiles are the values below which a quarter, half and three quarters of the
// samples lie.
type quartiles struct{ lower, median, upper float64 }

// quartilesOf returns those of a metric, divided round by round by that of the
// baseline, if any. They are NaN where a sample lacks the metric.
func quartilesOf(samples []figures, metric string, base []figures) quartiles {
	var values []float64
	for i, sample := range samples {
		value, ok := sample[metric]
		if !ok {
			values = nil
			break
		}
		if base != nil {
			value /= base[i][metric]
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		return quartiles{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(values)
	at := func(fraction float64) float64 { // interpolates
		whole, rest := math.Modf(fraction * float64(len(values)-1))
		i := int(whole)
		return values[i]*(1-rest) + values[min(i+1, len(values)-1)]*rest
	}
	return quartiles{at(0.25), at(0.5), at(0.75)}
}
