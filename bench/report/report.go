// Package report tells what was measured: Markdown for people, and a chart.
//
//	r := report.Report{Tables: tables, Machine: report.ThisMachine(), Date: time.Now()}
//	err := r.Save("docs/benchmarks.md") // and docs/benchmarks.svg
package report

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ostiary/ostiary/bench/measure"
)

// A Report is the outcome of one run.
type Report struct {
	Tables   []measure.Table
	Machine  Machine
	Versions []Version
	Date     time.Time
	Quick    bool // too little was measured to mean anything
}

// Save writes the report to a Markdown file, and its chart beside it under the
// same name with .svg.
func (r Report) Save(file string) error {
	var chart string
	if svg := r.Chart(); svg != "" {
		path := strings.TrimSuffix(file, filepath.Ext(file)) + ".svg"
		if err := write(path, svg); err != nil {
			return err
		}
		chart = filepath.Base(path)
	}
	return write(file, r.Markdown(chart))
}

func write(path, content string) error {
	return os.WriteFile(path, []byte(content), 0o644) //nolint:gosec // documentation, for everybody to read
}
