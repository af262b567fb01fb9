// Command bench compares what ostiary costs with the libraries that do the same
// work, and writes docs/benchmarks.md:
//
//	go run . -quick            # a minute, to see that it works
//	go run . -run 'cold|warm'  # some sections
//	go run . -out ../docs/benchmarks.md
//
// The report goes to standard output, progress to standard error. A missed goal
// is no failure.
//
// Each row of the report is an ordinary benchmark of this package, so that
//
//	go test -run '^$' -bench 'Cold/RS256'
//
// runs it alone. The command runs each in a process of its own and lets them
// take turns: see compare.go. What is compared is in tables.go.
//
// It is a module of its own, so that users of ostiary do not depend on the
// libraries that it is compared with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	quick  bool
	rounds int
	run    *regexp.Regexp
	out    string
}

func parseSettings(arguments []string, usage io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.BoolVar(&s.quick, "quick", false, "measure too little to mean anything, to see that it works")
	flags.IntVar(&s.rounds, "rounds", 0, "`rounds` to take the median of; 0 means 51, or 3 with -quick")
	flags.StringVar(&s.out, "out", "", "write the report to this Markdown `file` too, and its chart beside it")
	pattern := flags.String("run", "", "measure only the sections whose names match this `regexp`")
	if err := flags.Parse(arguments); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 || s.rounds < 0 {
		return settings{}, errors.New("give flags only, and a positive number of rounds: see -help")
	}
	var err error
	if s.run, err = regexp.Compile(*pattern); err != nil {
		return settings{}, fmt.Errorf("-run: %w", err)
	}
	if s.rounds == 0 {
		s.rounds = 51
		if s.quick {
			s.rounds = 3
		}
	}
	return s, nil
}

func run(ctx context.Context, arguments []string) error {
	s, err := parseSettings(arguments, os.Stderr)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	h := harness{program: filepath.Join(folder, "bench.test"), quick: s.quick, rounds: s.rounds, turn: 20 * time.Millisecond, laps: 6}
	if s.quick {
		h.turn, h.laps = 2*time.Millisecond, 1
	}
	compile := exec.CommandContext(ctx, "go", "test", "-c", "-o", h.program, "github.com/ostiary/ostiary/bench") //nolint:gosec // a folder of our own
	compile.Stderr = os.Stderr
	if err := compile.Run(); err != nil {
		return fmt.Errorf("compile the benchmarks: %w", err)
	}
	start := time.Now()
	results, err := measureAll(ctx, h, s.run)
	if err != nil {
		return err
	}
	r := report{results: results, date: start, quick: s.quick}
	if r.versions, err = versions(ctx); err != nil {
		return fmt.Errorf("list the modules compared: %w", err)
	}
	if _, err := io.WriteString(os.Stdout, r.markdown("")); err != nil || s.out == "" {
		return err
	}
	return r.save(s.out)
}

// measureAll runs the chosen sections, one after the other.
func measureAll(ctx context.Context, h harness, chosen *regexp.Regexp) ([]result, error) {
	var results []result
	for _, section := range sections() {
		if !chosen.MatchString(section.name) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%-10s", section.name)
		some, err := h.run(ctx, section)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", section.name, err)
		}
		results = append(results, some...)
		fmt.Fprintf(os.Stderr, "%6.1f s\n", time.Since(start).Seconds())
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("-run %q matches no section", chosen)
	}
	return results, nil
}
