// Command bench measures what ostiary costs beside the libraries that do the same
// work, and writes docs/benchmarks.md:
//
//	go run . -quick            # every benchmark once, to see that it works
//	go run . -run 'cold|warm'  # some sections
//	go run . -out ../docs/benchmarks.md
//
// The report goes to standard output, progress to standard error. A goal that is
// missed is not an error. report.md is the text, in which each table says what it
// compares, and its goals. Each row is an ordinary benchmark:
//
//	go test -run '^$' -bench 'Cold/RS256'
//
// It is a module of its own, so that users of ostiary do not depend on the
// libraries that it is compared with.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"
	"time"
)

//go:embed report.md
var reportText string

func main() {
	h := &harness{}
	flag.BoolVar(&h.Quick, "quick", false, "run every benchmark once, to see that it works")
	flag.IntVar(&h.Rounds, "rounds", 13, "`rounds` to take the median of")
	out := flag.String("out", "", "write the report to this `file` too")
	pattern := flag.String("run", "", "measure only the sections with a benchmark that matches this `regexp`, such as calls/grpc")
	flag.Parse()
	if flag.NArg() > 0 || h.Rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, h, *pattern, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, h *harness, pattern, out string) error {
	folder, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	h.folder, h.program = folder, filepath.Join(folder, "bench.test")
	if err := compile(ctx, ".", h.program); err != nil {
		return err
	}
	text, err := report(ctx, h, pattern)
	if err != nil {
		return err
	}
	fmt.Print(text) //nolint:forbidigo // the report
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(text), 0o644) //nolint:gosec // documentation, for everybody to read
}

// report measures the tables of the sections in which one matches the pattern, and
// leaves the others out.
func report(ctx context.Context, h *harness, pattern string) (string, error) {
	chosen, err := regexp.Compile(`(?i){{(table|server) "[^"]*(` + pattern + `)`)
	if err != nil {
		return "", fmt.Errorf("-run: %w", err)
	}
	var sections []string
	for section := range strings.SplitSeq(reportText, "\n## ") {
		if !strings.Contains(section, " | measure") || chosen.MatchString(section) {
			sections = append(sections, section)
		}
	}
	t, err := template.New("report.md").Funcs(template.FuncMap{
		"table":   func(bench string) table { return table{bench: bench} },
		"server":  func(bench string) table { return table{bench: bench, server: true} },
		"against": func(base, unit string, t table) table { t.base, t.unit = base, unit; return t },
		"goal": func(row, figure string, limit float64, t table) table {
			t.goals = append(t.goals, goal{row, figure, limit})
			return t
		},
		"measure":     func(t table) (string, error) { return h.measure(ctx, t, h.Rounds, "-test.benchtime=300ms") },
		"measureFew":  func(t table) (string, error) { return h.measure(ctx, t, min(5, h.Rounds), "-test.benchtime=1x") },
		"measureOnce": func(t table) (string, error) { return h.measure(ctx, t, 1, "-test.benchtime=1x") },
		"machine": func() string {
			return fmt.Sprintf("%s: %s, %d cores, %s/%s, %s", time.Now().UTC().Format("2 January 2006"), cmp.Or(h.cpu, "a CPU not known"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
		},
		"versions": func(modules ...string) (string, error) {
			list := append([]string{"list", "-m", "-f", "| {{.Path}} | {{.Version}} |"}, modules...)
			output, err := exec.CommandContext(ctx, "go", list...).Output() //nolint:gosec // paths of our own
			return string(output), err
		},
	}).Parse(strings.Join(sections, "\n## "))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = t.Execute(&text, h)
	return text.String(), err
}
