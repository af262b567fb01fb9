package report

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/ostiary/ostiary/bench/measure"
)

// The chart's measures, in pixels.
const (
	chartWidth  = 760
	labelWidth  = 250 // to the left of the bars
	valueWidth  = 60  // to the right of the longest
	barHeight   = 16
	rowHeight   = 24
	panelHead   = 40
	panelMargin = 22
)

// chartStyle follows the reader's choice of light or dark. One colour is ours;
// whatever is not is grey.
const chartStyle = `<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 14px; }
  .ours { font-weight: 600; }
  .note { fill: #59636e; font-size: 12px; }
  .bar { fill: #afb8c1; }
  .bar.ours { fill: #2563c9; }
  .one { stroke: #59636e; stroke-dasharray: 3 3; }
  .quartiles { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .bar { fill: #5b646e; }
    .bar.ours { fill: #5c9bf5; }
    .one { stroke: #9198a1; }
    .quartiles { stroke: #e6edf3; }
  }
</style>
`

// Chart returns an SVG with a panel of bars for each table that has a heading
// for it, or "" when none has. A bar is as long as the ratio to the baseline,
// and crossed by a line from the lower to the upper quartile.
func (r Report) Chart() string {
	var panels strings.Builder
	y := 0
	for _, table := range r.Tables {
		if table.Chart == "" {
			continue
		}
		y += panel(&panels, table, y) + panelMargin
	}
	if y == 0 {
		return ""
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">
<title>CPU time of ostiary and of its peers, as a multiple of the baseline</title>
%s%s</svg>
`, chartWidth, y, chartStyle, panels.String())
}

// panel draws a table from y downwards, and returns its height.
func panel(b *strings.Builder, t measure.Table, y int) int {
	bars := barsOf(t)
	longest := 1.0
	for _, bar := range bars {
		longest = math.Max(longest, math.Max(bar.Ratio.Median, bar.Ratio.Upper))
	}
	x := func(ratio float64) float64 {
		return labelWidth + ratio/longest*(chartWidth-labelWidth-valueWidth)
	}
	height := panelHead + len(bars)*rowHeight
	fmt.Fprintf(b, `<text class="title" x="0" y="%d">%s</text>`+"\n", y+18, html.EscapeString(t.Chart))
	for i, bar := range bars {
		drawBar(b, bar, float64(y+panelHead+i*rowHeight), x)
	}
	fmt.Fprintf(b, `<line class="one" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x(1), x(1), y+panelHead-6, y+height)
	fmt.Fprintf(b, `<text class="note" x="%.1f" y="%d" text-anchor="middle">%s = 1</text>`+"\n",
		math.Min(x(1), chartWidth-130), y+panelHead-10, html.EscapeString(baseline(t)))
	return height
}

func drawBar(b *strings.Builder, l measure.Line, top float64, x func(float64) float64) {
	class := ""
	if l.Ours {
		class = " ours"
	}
	middle := top + barHeight/2.0
	fmt.Fprintf(b, `<text class="label%s" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
		class, labelWidth-10, middle+4.5, html.EscapeString(l.Name))
	fmt.Fprintf(b, `<rect class="bar%s" x="%d" y="%.1f" width="%.1f" height="%d" rx="2"/>`+"\n",
		class, labelWidth, top, x(l.Ratio.Median)-labelWidth, barHeight)
	fmt.Fprintf(b, `<line class="quartiles" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n",
		x(l.Ratio.Lower), x(l.Ratio.Upper), middle, middle)
	fmt.Fprintf(b, `<text class="label%s" x="%.1f" y="%.1f">%.2f</text>`+"\n",
		class, math.Max(x(l.Ratio.Upper), x(l.Ratio.Median))+8, middle+4.5, l.Ratio.Median)
}

// barsOf returns the lines that are compared with another.
func barsOf(t measure.Table) []measure.Line {
	var bars []measure.Line
	for _, line := range t.Lines {
		if line.Against != "" {
			bars = append(bars, line)
		}
	}
	return bars
}

// baseline returns what the first bar is compared with.
func baseline(t measure.Table) string {
	for _, line := range t.Lines {
		if line.Against != "" {
			return line.Against
		}
	}
	return ""
}
