package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/bench/measure"
)

// Markdown returns the report. The chart is a file to show, relative to the
// report's own; empty shows none.
func (r Report) Markdown(chart string) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	b.WriteString("Written by `make bench`; run it to see how your own machine does.\n\n")
	if r.Quick {
		b.WriteString("**This was a quick run, to see that the program works. Its figures mean nothing.**\n\n")
	}
	if chart != "" {
		fmt.Fprintf(&b, "![CPU time of ostiary and of its peers, as a multiple of the baseline](%s)\n\n", chart)
	}
	r.method(&b)
	for _, table := range r.Tables {
		writeTable(&b, table)
	}
	r.versions(&b)
	return b.String()
}

func (r Report) method(b *strings.Builder) {
	fmt.Fprintf(b, "Measured on %s: %s.\n\n", r.Date.UTC().Format("2 January 2006"), r.Machine)
	b.WriteString(`Those compared take turns, in another order each round, and a ratio is taken within a round, so that whatever slows the
machine down slows both sides. Each figure is the median of all rounds; the quartiles stand beside it. Costs are CPU time,
user and system: what a neighbour on the machine takes away is not counted, but what it does to caches and clock speeds
is. Where the quartiles lie far apart the machine was not quiet, and differences of a few per cent are noise in any case.

Every process holds 64 MiB, as a server does, so that the garbage collector runs as seldom as it would there. Its cycles
fall into so few turns that the median leaves them out; that is why allocations are told too.

`)
}

func (r Report) versions(b *strings.Builder) {
	if len(r.Versions) == 0 {
		return
	}
	b.WriteString("## Versions\n\n| module | version |\n|---|---|\n")
	for _, v := range r.Versions {
		fmt.Fprintf(b, "| %s | %s |\n", v.Module, v.Version)
	}
}

// writeTable leaves out the columns of ratios where nothing is compared.
func writeTable(b *strings.Builder, t measure.Table) {
	fmt.Fprintf(b, "## %s\n\n%s", t.Title, t.Note)
	if t.Rounds > 1 {
		fmt.Fprintf(b, " %d rounds.", t.Rounds)
	}
	b.WriteString("\n\n")
	ratios := compares(t)
	if ratios {
		b.WriteString("| | ratio | quartiles |")
	} else {
		b.WriteString("| |")
	}
	fmt.Fprintf(b, " %s | allocations | to reach |\n", t.Unit)
	b.WriteString("|---|" + strings.Repeat("--:|", 2))
	if ratios {
		b.WriteString("--:|--:|")
	}
	b.WriteString("---|\n")
	for _, line := range t.Lines {
		writeLine(b, t, line, ratios)
	}
	b.WriteString("\n")
}

func compares(t measure.Table) bool {
	for _, line := range t.Lines {
		if line.Against != "" {
			return true
		}
	}
	return false
}

func writeLine(b *strings.Builder, t measure.Table, l measure.Line, ratios bool) {
	name := l.Name
	if l.Ours {
		name = "**" + name + "**"
	}
	fmt.Fprintf(b, "| %s |", name)
	switch {
	case ratios && l.Against != "":
		fmt.Fprintf(b, " %.2f | %.2f–%.2f |", l.Ratio.Median, l.Ratio.Lower, l.Ratio.Upper)
	case ratios:
		b.WriteString(" 1 | |")
	}
	fmt.Fprintf(b, " %s | %s | %s |\n", grouped(l.Value.Median), allocations(l.Allocs), goals(t, l))
}

// grouped returns a figure with a space that does not break between thousands,
// and a decimal where it is small.
func grouped(x float64) string {
	if x < 100 {
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u00a0" + digits[i:]
	}
	return digits
}

func allocations(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

func goals(t measure.Table, l measure.Line) string {
	var texts []string
	for _, goal := range l.Goals {
		outcome := "missed"
		if t.Met(l, goal) {
			outcome = "reached"
		}
		texts = append(texts, goal.Text(t.Unit)+": "+outcome)
	}
	return strings.Join(texts, "; ")
}
