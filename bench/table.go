package main

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// A table is one of the report. Its rows are the benchmarks below a path, and its
// columns the units that these report. A figure that is compared with nothing has its
// quartiles beside it, where it was measured more than once.
type table struct {
	bench  string // the path, such as Cold/RS256
	server bool   // whether it is a benchmark of the server's module
	base   string // the last name of the row that those beside it are compared with; empty means none
	unit   string // in which they are compared
	goals  []goal
	rows   []row
}

// A goal is what the median of a figure should not exceed: of a unit or, if there is
// a baseline, of "ratio" or "extra mallocs/op", which is what exceeds the baseline.
type goal struct {
	row    string // its last name; empty means every row
	figure string
	limit  float64
}

func (t table) markdown() (string, error) {
	units := slices.Sorted(maps.Keys(t.rows[0].rounds[0]))
	head := append([]string{""}, units...)
	if t.base != "" {
		head = slices.Insert(head, 1, "ratio", "quartiles")
	}
	lines := []string{strings.Join(head, " | ") + " | goals", "---" + strings.Repeat(" | --:", len(head)-1) + " | ---"}
	used := make(map[goal]bool)
	for _, r := range t.rows {
		name, figures := strings.ReplaceAll(strings.TrimPrefix(r.name, t.bench+"/"), "/", ", "), t.figures(r)
		if strings.HasPrefix(path.Base(r.name), "ostiary") {
			name = "**" + name + "**"
		}
		cells := []string{name}
		if t.base != "" {
			cells = append(cells, fmt.Sprintf("%.2f", figures["ratio"]), fmt.Sprintf("%.2f–%.2f", figures["lower"], figures["upper"]))
		}
		for _, unit := range units {
			cell := decimal(figures[unit])
			if t.base == "" && len(r.rounds) > 1 {
				cell += " (" + decimal(r.quantile(0.25, unit, nil)) + "–" + decimal(r.quantile(0.75, unit, nil)) + ")"
			}
			cells = append(cells, cell)
		}
		var goals []string
		for _, g := range t.goals {
			figure, ok := figures[g.figure]
			if !ok || g.row != "" && g.row != path.Base(r.name) {
				continue
			}
			outcome := "missed"
			if math.Round(figure*100)/100 <= g.limit { // as it is shown
				outcome = "reached"
			}
			used[g], goals = true, append(goals, fmt.Sprint(g.figure, " ≤ ", g.limit, ": ", outcome))
		}
		lines = append(lines, strings.Join(append(cells, strings.Join(goals, "; ")), " | "))
	}
	if len(used) < len(t.goals) {
		return "", fmt.Errorf("%s lacks the row or the figure of a goal: %v", t.bench, t.goals)
	}
	return "| " + strings.Join(lines, " |\n| ") + " |", nil
}

// decimal writes a figure with five digits, and one of them behind the point.
func decimal(figure float64) string {
	return message.NewPrinter(language.English).Sprint(number.Decimal(math.Round(figure*10)/10, number.Precision(5)))
}

// figures returns the medians of a row by their units. If there is a baseline they
// include the ratio to it, its quartiles, and how much each exceeds the baseline's.
func (t table) figures(of row) map[string]float64 {
	figures := make(map[string]float64)
	for unit := range of.rounds[0] {
		figures[unit] = of.quantile(0.5, unit, nil)
	}
	if t.base == "" {
		return figures
	}
	beside := slices.DeleteFunc(slices.Clone(t.rows), func(other row) bool { return path.Dir(other.name) != path.Dir(of.name) })
	base := beside[slices.IndexFunc(beside, func(other row) bool { return path.Base(other.name) == t.base })]
	for name, q := range map[string]float64{"lower": 0.25, "ratio": 0.5, "upper": 0.75} {
		figures[name] = of.quantile(q, t.unit, &base)
	}
	for unit := range base.rounds[0] {
		figures["extra "+unit] = figures[unit] - base.quantile(0.5, unit, nil)
	}
	return figures
}

// quantile returns the value that a part q of the rounds do not exceed. With a
// base it is that of the ratios to it, each of one round.
func (r row) quantile(q float64, unit string, base *row) float64 {
	var s stats.Sample
	for i, figures := range r.rounds {
		value := figures[unit]
		if base != nil {
			value /= base.rounds[i][unit]
		}
		s.Xs = append(s.Xs, value)
	}
	return s.Quantile(q)
}
