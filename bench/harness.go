package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// A harness measures benchmarks on a machine whose speed changes all the time. In
// each round it runs every benchmark of a table once, in random order and each in
// a process of its own. The report compares them within a round: what slows the
// machine down for longer than that slows all of them.
type harness struct {
	folder  string // for programs
	program string // the test binary
	server  string // that of the server's module
	Rounds  int
	Quick   bool   // one round, of one operation each, in a single process
	cpu     string // the model, known after the first benchmark
}

// A row is one benchmark, and what it reported in each round, by unit.
type row struct {
	name   string // such as Cold/RS256/go-oidc
	rounds []map[string]float64
}

// measure returns the table in Markdown. Its rows have the order in which the
// benchmarks are declared.
func (h *harness) measure(ctx context.Context, t table, rounds int, benchtime string) (text string, err error) {
	start := time.Now()
	fmt.Fprint(os.Stderr, t.bench, " ")
	program := h.program
	if t.server {
		if program, err = h.serverProgram(ctx); err != nil {
			return "", err
		}
	}
	rows, err := h.run(ctx, program, t.bench, "-test.benchtime=1x", "-test.short") // finds them
	if err != nil {
		return "", err
	}
	for round := 0; round < rounds && !h.Quick; round++ {
		fmt.Fprint(os.Stderr, ".")
		for _, i := range rand.Perm(len(rows)) { //nolint:gosec // an order, not a secret
			measured, err := h.run(ctx, program, rows[i].name, benchtime)
			if err != nil {
				return "", err
			}
			rows[i].rounds = append(rows[i].rounds[:round], measured[0].rounds...) // without what found it
		}
	}
	fmt.Fprintf(os.Stderr, " %.1f s\n", time.Since(start).Seconds())
	t.rows = rows
	return t.markdown()
}

// processors is the end of a benchmark's name.
var processors = regexp.MustCompile(`-\d+$`)

// serverProgram compiles the tests of the server's module, once.
func (h *harness) serverProgram(ctx context.Context) (string, error) {
	if h.server != "" {
		return h.server, nil
	}
	program := filepath.Join(h.folder, "server.test")
	if err := compile(ctx, "../server", program); err != nil {
		return "", err
	}
	h.server = program
	return program, nil
}

// compile compiles the tests of a folder.
func compile(ctx context.Context, folder, program string) error {
	command := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, ".") //nolint:gosec // folders of our own
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the benchmarks: %w\n%s", err, output)
	}
	return nil
}

// run runs a benchmark and those below it in one process.
func (h *harness) run(ctx context.Context, program, name string, arguments ...string) (rows []row, err error) {
	path := strings.ReplaceAll(regexp.QuoteMeta(name), "/", "$/^")
	command := exec.CommandContext(ctx, program, append(arguments, "-test.run=^$", "-test.bench=^Benchmark"+path+"$")...) //nolint:gosec // our own tests
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	for reader := benchfmt.NewReader(bytes.NewReader(output), name); reader.Scan(); {
		measured, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		figures := make(map[string]float64)
		for _, v := range measured.Values {
			if v.OrigUnit == "" {
				v.OrigValue, v.OrigUnit = v.Value, v.Unit
			}
			figures[v.OrigUnit] = v.OrigValue
		}
		name := strings.ReplaceAll(processors.ReplaceAllString(measured.Name.String(), ""), "_", " ")
		rows, h.cpu = append(rows, row{name, []map[string]float64{figures}}), measured.GetConfig("cpu")
	}
	if len(rows) == 0 {
		err = errors.New("no such benchmark: " + name)
	}
	return rows, err
}
