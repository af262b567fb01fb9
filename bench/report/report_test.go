package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/report"
)

func example() report.Report {
	base := measure.Contender{Name: "check alone"}
	ours := measure.Contender{
		Name: "ostiary", Against: base.Name, Ours: true,
		Goals: []measure.Goal{{Of: measure.Ratio, Limit: 1.1}, {Of: measure.Allocs, Limit: 5}},
	}
	peer := measure.Contender{Name: "<peer> & co", Against: base.Name, Peer: true}
	return report.Report{
		Date:    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		Machine: report.Machine{CPU: "Example 9000", Cores: 2, System: "linux/amd64", Go: "go1.26"},
		Tables: []measure.Table{
			{
				Section: measure.Section{Title: "Verifying", Note: "A note.", Unit: "ns", Chart: "CPU to verify"},
				Rounds:  31,
				Lines: []measure.Line{
					{Contender: base, Value: measure.Quartiles{Median: 25_800}, Allocs: 9},
					{
						Contender: ours, Value: measure.Quartiles{Median: 27_100}, Allocs: 14.04,
						Ratio: measure.Quartiles{Lower: 1.04, Median: 1.05, Upper: 1.07},
					},
					{
						Contender: peer, Value: measure.Quartiles{Median: 1_234_567}, Allocs: 81.5,
						Ratio: measure.Quartiles{Lower: 47, Median: 47.9, Upper: 50},
					},
				},
			},
			{
				Section: measure.Section{Title: "Deciding", Note: "Another.", Unit: "ns"},
				Lines:   []measure.Line{{Contender: measure.Contender{Name: "a rule"}, Value: measure.Quartiles{Median: 10.44}}},
			},
		},
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	got := example().Markdown("chart.svg")
	for _, want := range []string{
		"](chart.svg)",
		"Measured on 23 November 2026: Example 9000, 2 cores, linux/amd64, go1.26.",
		"A note. 31 rounds.\n",
		"| | ratio | quartiles | ns | allocations | to reach |\n|---|--:|--:|--:|--:|---|\n",
		"| check alone | 1 | | 25\u00a0800 | 9 |  |\n",
		"| **ostiary** | 1.05 | 1.04–1.07 | 27\u00a0100 | 14 | ≤ 1.10: reached; ≤ 5 allocations: missed |\n",
		"| 1\u00a0234\u00a0567 | 81.5 |",
		"| | ns | allocations | to reach |\n|---|--:|--:|---|\n| a rule | 10.4 | 0 |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
}

func TestTheChartIsWellFormed(t *testing.T) {
	t.Parallel()
	chart := example().Chart()
	for decoder := xml.NewDecoder(strings.NewReader(chart)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
	}
	if strings.Contains(chart, "%!") {
		t.Errorf("an attribute has no value:\n%s", chart)
	}
	if bars := strings.Count(chart, "<rect"); bars != 2 {
		t.Errorf("%d bars, want one for ostiary and one for its peer", bars)
	}
}

func TestSaveWritesTheChartBesideTheReport(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := example().Save(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "](benchmarks.svg)") {
		t.Errorf("the report does not show its chart: %v", err)
	}
	if _, err := os.Stat(strings.TrimSuffix(file, "md") + "svg"); err != nil {
		t.Error(err)
	}
}
