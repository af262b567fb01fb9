package main

import (
	"fmt"
	"slices"

	"github.com/go-analyze/charts"
)

// chartOf returns an SVG with a panel for each table that has a heading for it,
// or nil when none has. A bar is as long as the ratio to the baseline.
func chartOf(results []result) ([]byte, error) {
	const width, barHeight, panelHeight = 760, 26, 50
	type panel struct {
		result
		top int
	}
	var panels []panel
	height := 0
	for _, r := range results {
		if r.chart != "" {
			panels = append(panels, panel{r, height})
			height += panelHeight + barHeight*len(r.lines)
		}
	}
	if height == 0 {
		return nil, nil
	}
	picture := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	picture.FilledRect(0, 0, width, height, charts.ColorWhite, charts.ColorWhite, 0)
	for _, p := range panels {
		box := charts.NewBox(0, p.top, width, p.top+panelHeight+barHeight*len(p.lines))
		if err := picture.Child(charts.PainterBoxOption(box)).BarChart(p.bars()); err != nil {
			return nil, err
		}
	}
	return picture.Bytes()
}

// bars shows ostiary's in one colour and all others in grey. The chart counts
// from the bottom upwards.
func (r result) bars() charts.BarChartOption {
	names, ours, others := []string{}, []float64{}, []float64{}
	for _, l := range slices.Backward(r.lines) {
		ratio := l.ratio.median
		if l.against == "" {
			ratio = 1
		}
		names = append(names, expand(l.name, l.figures))
		if l.bare || l.peer {
			ours, others = append(ours, 0), append(others, ratio)
		} else {
			ours, others = append(ours, ratio), append(others, 0)
		}
	}
	option := charts.NewBarChartOptionWithData([][]float64{ours, others})
	option.Horizontal = true
	option.StackSeries = charts.Ptr(true)
	option.Title.Text = r.chart
	option.Legend.Show = charts.Ptr(false)
	// Viewers without the font that names were measured with show them wider.
	option.Padding = charts.NewBox(30, 10, 20, 10)
	option.CategoryAxis.LabelOffset = charts.OffsetInt{Left: -20}
	option.CategoryAxis.Labels = names
	option.ValueAxis[0].Min, option.ValueAxis[0].Show = charts.Ptr(0.0), charts.Ptr(false) // the bars have labels
	option.Theme = charts.GetTheme(charts.ThemeLight).WithSeriesColors([]charts.Color{
		charts.ColorFromHex("#2563c9"), charts.ColorFromHex("#afb8c1"),
	})
	for i := range option.SeriesList {
		option.SeriesList[i].Label = charts.SeriesLabel{Show: charts.Ptr(true), LabelFormatter: label}
	}
	return option
}

func label(_ int, _ string, ratio float64) (string, *charts.LabelStyle) {
	if ratio == 0 {
		return "", nil
	}
	return fmt.Sprintf("%.2f", ratio), nil
}
