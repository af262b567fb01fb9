// Command fleet measures servers on PostgreSQL, the services that follow them and what
// becomes of both when parts die, and writes the figures into docs/fleet.md:
//
//	go run ./fleet -quick              # little and short, to see that it works
//	go run ./fleet -run 'lag|idle'     # some of the figures
//	go run ./fleet -out ../docs/fleet.md
//
// The table goes to standard output, progress to standard error. A goal that is missed is
// not an error; a revocation that is lost is one. Everything runs on this machine: three
// processes of `ostiary serve`, and four with the followers, which are also the services
// with the streams and their clients. It needs the binary, which `make build` builds, and
// PostgreSQL.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// An options says how much to measure.
type options struct {
	program   string
	followers int
	streams   int
	rounds    int           // in which all streams end
	faults    int           // of each kind
	partition time.Duration // how long each lasts
	million   int           // revocations, for a first catch-up
	load      time.Duration // at 10 revocations a second
	idle      time.Duration
}

// A row is one of the report.
type row struct{ what, asked, measured, how string }

// A measure makes rows of the report.
type measure struct {
	name string
	run  func(context.Context, options) ([]row, error)
}

var measures = []measure{
	{"end", measureEnd},
	{"lag", measureLag},
	{"hub-killed", measureKilledHub},
	{"postgres-killed", measureKilledPostgres},
	{"failover", measureFailover},
	{"partition", measurePartition},
	{"behind", measureBehind},
	{"million", measureMillion},
	{"idle", measureIdle},
	{"call", measureCall},
}

func main() {
	if os.Getenv(workerEnv) != "" {
		work()
		return
	}
	o := options{}
	flag.StringVar(&o.program, "ostiary", "../bin/ostiary", "the `binary` of the servers")
	flag.IntVar(&o.followers, "followers", 1000, "how many `followers`")
	flag.IntVar(&o.streams, "streams", 10_000, "how many open `streams`")
	flag.IntVar(&o.rounds, "rounds", 50, "how many `times` all streams are ended")
	flag.IntVar(&o.faults, "faults", 20, "how many `times` each part is killed or cut off")
	flag.DurationVar(&o.partition, "partition", time.Minute, "how `long` a partition lasts")
	flag.IntVar(&o.million, "revocations", 1_000_000, "how many `revocations` a new follower reads")
	flag.DurationVar(&o.load, "load", time.Minute, "how `long` ten revocations a second are made")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "how `long` followers are idle")
	quick := flag.Bool("quick", false, "measure little, to see that it works")
	out := flag.String("out", "", "write the table into the section Figures of this `file` too")
	pattern := flag.String("run", "", "measure only what matches this `regexp`, of "+names())
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *quick {
		o = quickly(o.program)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, *pattern, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func quickly(program string) options {
	return options{
		program: program, followers: 40, streams: 200, rounds: 2, faults: 1, partition: 5 * time.Second,
		million: 10_000, load: 2 * time.Second, idle: 2 * time.Second,
	}
}

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

func run(ctx context.Context, o options, pattern, out string) error {
	chosen, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if o.program, err = filepath.Abs(o.program); err != nil {
		return err
	}
	text := fmt.Sprintf("Measured by `make bench-fleet` on %s: %s, %d cores, %s/%s, %s. \"Load\" is the machine's load average before.\n\n"+
		"| what | asked | measured | how | load |\n|---|---|---|---|--:|\n",
		time.Now().UTC().Format("2 January 2006"), cpu(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	var failed error
	for _, m := range measures {
		if !chosen.MatchString(m.name) {
			continue
		}
		before, began := loadAverage(), time.Now()
		progress("%s …", m.name)
		rows, err := m.run(ctx, o)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
			progress("%s: %v", m.name, err)
		}
		if ctx.Err() != nil {
			return failed
		}
		for _, r := range rows {
			progress("%s: %s", r.what, r.measured)
			text += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", r.what, r.asked, r.measured, r.how, before)
		}
		progress("%s took %s", m.name, time.Since(began).Round(time.Second))
	}
	fmt.Print(text) //nolint:forbidigo // the report
	if failed != nil || out == "" {
		return failed
	}
	return replaceFigures(out, text)
}

// replaceFigures replaces the section Figures of a document.
func replaceFigures(path, text string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const heading = "\n## Figures\n\n"
	before, rest, found := strings.Cut(string(document), heading)
	if !found {
		return fmt.Errorf("%s has no section Figures", path)
	}
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	return os.WriteFile(path, []byte(before+heading+text+after), 0o644) //nolint:gosec // documentation, for everybody to read
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return cmp.Or(first, "?")
}

func cpu() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "a CPU not known"
}
