package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A report is the outcome of one run.
type report struct {
	results  []result
	versions string // lines of a table
	date     time.Time
	quick    bool // too little was measured to mean anything
}

// save writes the report to a Markdown file, and its chart beside it under the
// same name with .svg.
func (r report) save(file string) error {
	chart, err := chartOf(r.results)
	if err != nil {
		return err
	}
	name := ""
	if chart != nil {
		path := strings.TrimSuffix(file, filepath.Ext(file)) + ".svg"
		if err := os.WriteFile(path, chart, 0o644); err != nil { //nolint:gosec // documentation, for everybody to read
			return err
		}
		name = filepath.Base(path)
	}
	return os.WriteFile(file, []byte(r.markdown(name)), 0o644) //nolint:gosec // as above
}

const method = `Those compared take turns, in another order each round, each in a process of its own, and a ratio is taken within a round,
so that whatever slows the machine down slows both sides. Each figure is the median of all rounds; the quartiles stand
beside it. Costs are CPU time of the process, user and system: what a neighbour on the machine takes away is not counted,
but what it does to caches and clock speeds is. Where the quartiles lie far apart the machine was not quiet, and differences
of a few per cent are noise in any case.

Every process holds 64 MiB, as a server does, so that the garbage collector runs as seldom as it would there. Its cycles
fall into so few turns that the median leaves them out; allocations are therefore shown too.

`

// markdown returns the report. The chart is a file to show, relative to the
// report's own; empty shows none.
func (r report) markdown(chart string) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench`; run it to see how your own machine does.\n\n")
	if r.quick {
		b.WriteString("**This was a quick run, to see that the program works. Its figures mean nothing.**\n\n")
	}
	if chart != "" {
		fmt.Fprintf(&b, "![CPU time of ostiary and of its peers, as a multiple of the baseline](%s)\n\n", chart)
	}
	fmt.Fprintf(&b, "Measured on %s: %s, %d cores, %s/%s, %s.\n\n%s", r.date.UTC().Format("2 January 2006"),
		cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), method)
	for _, result := range r.results {
		result.write(&b)
	}
	return b.String() + "## Versions\n\n| module | version |\n|---|---|\n" + r.versions
}

// write leaves out the columns that would be empty.
func (r result) write(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n%s", r.title, expand(r.note, r.lines[0].figures))
	if r.rounds > 1 {
		fmt.Fprintf(b, " %d rounds.", r.rounds)
	}
	ratios := slices.ContainsFunc(r.lines, func(l line) bool { return l.against != "" })
	allocs := slices.ContainsFunc(r.lines, func(l line) bool { return !math.IsNaN(l.allocs) })
	cells := func(name, ratio, quartiles, value, allocations, goals string) {
		b.WriteString("| " + name + " |")
		if ratios {
			b.WriteString(" " + ratio + " | " + quartiles + " |")
		}
		b.WriteString(" " + value + " |")
		if allocs {
			b.WriteString(" " + allocations + " |")
		}
		b.WriteString(" " + goals + " |\n")
	}
	b.WriteString("\n\n")
	cells("", "ratio", "quartiles", r.unit, "allocations", "goal")
	cells("---", "--:", "--:", "--:", "--:", "---")
	for _, l := range r.lines {
		name, ratio, between, allocations := expand(l.name, l.figures), "", "", ""
		if !l.peer && !l.bare {
			name = "**" + name + "**"
		}
		switch {
		case l.against != "":
			ratio, between = fmt.Sprintf("%.2f", l.ratio.median), fmt.Sprintf("%.2f–%.2f", l.ratio.lower, l.ratio.upper)
		case l.bare:
			ratio = "1"
		}
		if !math.IsNaN(l.allocs) {
			allocations = strings.TrimSuffix(strconv.FormatFloat(l.allocs, 'f', 1, 64), ".0")
		}
		var goals []string
		for _, g := range l.goals {
			outcome := ": missed"
			if g.met(l, r) {
				outcome = ": reached"
			}
			goals = append(goals, g.text+outcome)
		}
		cells(name, ratio, between, grouped(l.value.median), allocations, strings.Join(goals, "; "))
	}
	b.WriteString("\n")
}

// expand replaces each {unit} in the text by the figure of that unit.
func expand(text string, f figures) string {
	for unit, value := range f {
		text = strings.ReplaceAll(text, "{"+unit+"}", plain(math.Round(value*10)/10))
	}
	return text
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

// cpuModel asks Linux; other systems have no such file.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for lines := bufio.NewScanner(bytes.NewReader(info)); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "CPU not known"
}

// versions asks go which versions of the modules compared are built.
func versions(ctx context.Context) (string, error) {
	list := append([]string{"list", "-m", "-f", "| {{.Path}} | {{.Version}} |"}, modules()...)
	output, err := exec.CommandContext(ctx, "go", list...).Output() //nolint:gosec // paths of our own
	return string(output), err
}
