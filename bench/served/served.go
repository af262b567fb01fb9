// Package served measures what a call costs its server, and nobody else: the
// server is a process of its own, this same program started once more.
//
//	process, err := served.Start(ctx, served.Config{Transport: served.Connect, Guard: served.Ours, Trust: iss.Trust()})
//	caller, err := process.Caller(served.ProtocolConnect)
//	err = caller.Unary(ctx, iss.Token(0))
//	usage, err := process.Usage()
//
// The two talk JSON over the child's standard input and output: the Config, the
// address it is served at, and then an answer to each question. When its input
// ends, so does the child, so none outlives its parent.
package served

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
)

// Config says what a process serves.
type Config struct {
	Transport Transport
	Guard     Guard
	Trust     issuer.Trust

	revoked *revocation.List // the child's
}

// A Transport is what the server is made with.
type Transport string

// The transports.
const (
	Connect Transport = "connect-go" // answers Connect and gRPC
	GRPC    Transport = "grpc-go"
)

// A Guard is what checks the calls.
type Guard string

// The guards. Ours and None serve on both transports.
const (
	None     Guard = "no auth"
	Ours     Guard = "ostiary"
	OursCold Guard = "ostiary, cache off"
	Authn    Guard = "authn-go + golang-jwt"
	Clerk    Guard = "clerk-sdk-go's middleware"
	GRPCAuth Guard = "go-grpc-middleware + golang-jwt"
)

const argument = "serve"

// IsChild reports whether this process was started to serve, judging by its
// arguments.
func IsChild(arguments []string) bool { return len(arguments) == 1 && arguments[0] == argument }

// question asks for the usage, unless it asks for something else; hello says
// where the server is.
type (
	question struct {
		Holding bool
		Revoke  []string // subjects
	}
	hello struct{ Address string }
)

// Serve is the child: it serves what it reads from in, until that ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	release := measure.Ballast()
	defer release()
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	var config Config
	if err := questions.Decode(&config); err != nil {
		return fmt.Errorf("read what to serve: %w", err)
	}
	config.revoked = revocation.New(revocation.Config{})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	stop, err := config.serve(ctx, listener)
	if err != nil {
		return err
	}
	defer stop()
	if err := answers.Encode(hello{listener.Addr().String()}); err != nil {
		return err
	}
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := config.answer(asked)
		if err != nil {
			return err
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func (c Config) answer(asked question) (any, error) {
	switch {
	case asked.Holding:
		return measure.Holding(), nil
	case len(asked.Revoke) > 0:
		return struct{}{}, c.revoke(asked.Revoke)
	default:
		return measure.Now(), nil
	}
}

func (c Config) revoke(subjects []string) error {
	revocations := make([]revocation.Revocation, len(subjects))
	for i, subject := range subjects {
		revocations[i] = revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer.URL, ID: subject, Before: time.Now()}
	}
	return c.revoked.Add(revocations...)
}

// serve begins to serve, and returns what ends it.
func (c Config) serve(ctx context.Context, listener net.Listener) (stop func(), err error) {
	switch c.Transport {
	case Connect:
		return c.serveConnect(ctx, listener)
	case GRPC:
		return c.serveGRPC(ctx, listener)
	default:
		return nil, fmt.Errorf("unknown transport %q", c.Transport)
	}
}
