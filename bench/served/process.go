package served

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/ostiary/ostiary/bench/measure"
)

// A Process is a server that was started. It is not safe for concurrent use,
// but its Callers are.
type Process struct {
	Config Config

	command   *exec.Cmd
	questions io.WriteCloser
	answers   *json.Decoder
	address   string
}

// Start starts this program once more, to serve. The child ends with Close, and
// with ctx.
func Start(ctx context.Context, config Config) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, argument) //nolint:gosec // it is this very program
	command.Stderr = os.Stderr
	questions, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{Config: config, command: command, questions: questions, answers: json.NewDecoder(answers)}
	var hello hello
	if err := p.ask(config, &hello); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s with %s: %w", config.Transport, config.Guard, err), p.Close())
	}
	p.address = hello.Address
	return p, nil
}

// Usage returns what the process has used so far.
func (p *Process) Usage() (measure.Usage, error) {
	var usage measure.Usage
	err := p.ask(question{}, &usage)
	return usage, err
}

// Holding returns what the process holds, after all garbage is gone.
func (p *Process) Holding() (measure.Held, error) {
	var held measure.Held
	err := p.ask(question{Holding: true}, &held)
	return held, err
}

// Revoke revokes every token of the subjects, all at once. A server with another
// guard than Ours takes no notice.
func (p *Process) Revoke(subjects []string) error {
	return p.ask(question{Revoke: subjects}, &struct{}{})
}

func (p *Process) ask(question, answer any) error {
	if err := json.NewEncoder(p.questions).Encode(question); err != nil {
		return err
	}
	return p.answers.Decode(answer)
}

// Close ends the process and waits for it.
func (p *Process) Close() error {
	_ = p.questions.Close() // which ends it
	return p.command.Wait()
}
