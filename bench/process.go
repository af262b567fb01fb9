package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// turnsEnv is set in the process of a benchmark that takes turns with others. It
// reads the number of operations of each turn from standard input, and writes the
// turn to file 3.
const turnsEnv = "OSTIARY_BENCH_TURNS"

// A turn is what some operations of one benchmark came to.
type turn struct {
	Figures figures
	Error   string `json:",omitempty"`
}

// figures are by unit, as testing.B reports them: cpu-ns/op, allocs/op.
type figures map[string]float64

// A process runs one benchmark.
type process struct {
	name    string
	command *exec.Cmd
	orders  io.WriteCloser
	turns   *json.Decoder
	output  bytes.Buffer // what the testing package says of a failure
	n       int          // operations in a turn
}

// start starts the benchmark of a test binary, which then waits for its turn.
func start(ctx context.Context, program, name string, quick bool) (*process, error) {
	p := &process{name: name, n: 1}
	path := strings.Split("Benchmark"+strings.ReplaceAll(name, " ", "_"), "/")
	for i, part := range path {
		path[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	arguments := []string{"-test.run=^$", "-test.benchtime=1x", "-test.bench=" + strings.Join(path, "/")}
	if quick {
		arguments = append(arguments, "-test.short")
	}
	p.command = exec.CommandContext(ctx, program, arguments...) //nolint:gosec // our own tests
	p.command.Env = append(os.Environ(), turnsEnv+"=1")
	p.command.Stdout, p.command.Stderr = &p.output, os.Stderr
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.command.ExtraFiles = []*os.File{writer}
	p.turns = json.NewDecoder(reader)
	context.AfterFunc(ctx, func() { _ = reader.Close() })
	if p.orders, err = p.command.StdinPipe(); err == nil {
		err = p.command.Start()
	}
	return p, errors.Join(err, writer.Close())
}

// take asks for one turn of n operations.
func (p *process) take() (figures, error) {
	var t turn
	if _, err := fmt.Fprintln(p.orders, p.n); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.turns.Decode(&t); err != nil {
		return nil, fmt.Errorf("%s took no turn: %w", p.name, err)
	}
	if t.Error != "" {
		return nil, fmt.Errorf("%s: %s", p.name, t.Error)
	}
	return t.Figures, nil
}

// rehearse finds how many operations take about as long as a turn should, and
// warms up.
func (p *process) rehearse(turn time.Duration) error {
	if _, err := p.take(); err != nil { // includes the preparation
		return err
	}
	for ; ; p.n *= 2 {
		start := time.Now()
		figures, err := p.take()
		if err != nil {
			return err
		}
		spent := time.Since(start)
		if cpu, ok := figures["cpu-ns/op"]; ok {
			spent = time.Duration(cpu * float64(p.n)) // a busy machine does not shorten it
		}
		if spent >= turn/2 {
			p.n = max(1, int(float64(p.n)*float64(turn)/float64(spent)))
			return nil
		}
	}
}

// close ends the process and waits for it.
func (p *process) close() error {
	_ = p.orders.Close() // which ends it
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, err, p.output.String())
	}
	return nil
}
