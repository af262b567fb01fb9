// Command bench measures what ostiary costs beside the libraries that do the
// same work, and writes docs/benchmarks.md:
//
//	go run . -quick            # some seconds, to see that it works
//	go run . -run 'cold|warm'  # some of the sections
//	go run . -out ../docs/benchmarks.md
//
// The report goes to standard output, progress to standard error. Nothing here
// passes or fails by what it measures.
//
// It is a module of its own, so that nobody who uses ostiary inherits the
// libraries that it is compared with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/report"
	"github.com/ostiary/ostiary/bench/served"
	"github.com/ostiary/ostiary/bench/verifiers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if served.IsChild(arguments) {
		return served.Serve(ctx, os.Stdin, os.Stdout)
	}
	settings, err := parseSettings(arguments, os.Stderr)
	if err != nil {
		return err
	}
	release := measure.Ballast()
	defer release()
	start := time.Now()
	tables, err := measureAll(ctx, settings)
	if err != nil {
		return err
	}
	r := report.Report{
		Tables:   tables,
		Machine:  report.ThisMachine(),
		Versions: report.Versions(modules()),
		Date:     start,
		Quick:    settings.quick,
	}
	if _, err := io.WriteString(os.Stdout, r.Markdown("")); err != nil || settings.out == "" {
		return err
	}
	return r.Save(settings.out)
}

// modules are those whose versions a reader wants to know.
func modules() []string {
	paths := []string{
		"connectrpc.com/connect",
		"google.golang.org/grpc",
		"connectrpc.com/authn",
		"github.com/grpc-ecosystem/go-grpc-middleware/v2",
		"github.com/MicahParks/keyfunc/v3",
	}
	for _, verifier := range verifiers.All() {
		if verifier.Module != "" {
			paths = append(paths, verifier.Module)
		}
	}
	return paths
}

// settings are what the flags say.
type settings struct {
	effort effort
	quick  bool
	run    *regexp.Regexp
	out    string
}

// effort is how much is measured.
type effort struct {
	rounds   int
	turn     time.Duration // of CPU time, for what is measured in this process
	laps     int           // rounds with servers for each round without
	calls    int           // in one turn
	tokens   int           // distinct ones
	messages int           // on one stream
	entries  int           // in the cache, and in the list of what is revoked
	leases   int           // in this process
	watchers int           // streams that are open at once
}

func parseSettings(arguments []string, usage io.Writer) (settings, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	quick := flags.Bool("quick", false, "measure too little to mean anything, in some seconds")
	rounds := flags.Int("rounds", 0, "`rounds` to take the median of; 0 means 51, or 3 with -quick")
	pattern := flags.String("run", "", "measure only the sections whose names match this `regexp`")
	out := flags.String("out", "", "write the report to this Markdown `file` too, and its chart beside it")
	if err := flags.Parse(arguments); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 || *rounds < 0 {
		return settings{}, errors.New("give flags only, and a positive number of rounds: see -help")
	}
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return settings{}, fmt.Errorf("-run: %w", err)
	}
	s := settings{quick: *quick, run: chosen, out: *out, effort: effort{
		rounds: 51, turn: 30 * time.Millisecond, laps: 6, calls: 250, tokens: 10_000, messages: 2000, entries: 1_000_000,
		leases: 100_000, watchers: 10_000,
	}}
	if s.quick {
		s.effort = effort{rounds: 3, turn: 2 * time.Millisecond, laps: 1, calls: 100, tokens: 100, messages: 200, entries: 10_000, leases: 1000, watchers: 500}
	}
	if *rounds > 0 {
		s.effort.rounds = *rounds
	}
	return s, nil
}

// measureAll runs the chosen sections, one after the other.
func measureAll(ctx context.Context, settings settings) ([]measure.Table, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tables []measure.Table
	for _, section := range sections() {
		if !settings.run.MatchString(section.name) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%-10s", section.name)
		table, err := section.measure(ctx, settings.effort)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", section.name, err)
		}
		tables = append(tables, table...)
		fmt.Fprintf(os.Stderr, "%6.1f s\n", time.Since(start).Seconds())
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("-run %q matches no section", settings.run)
	}
	return tables, nil
}
