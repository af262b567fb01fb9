package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/attack"
	"github.com/ostiary/ostiary/server/settings"
)

// attackWith has a process attack what it describes, and attackedIssuer one serve, with
// attackedDatabase or a file of its own.
const (
	attackWith       = "OSTIARY_TEST_ATTACK"
	attackedIssuer   = "OSTIARY_TEST_ATTACKED"
	attackedDatabase = "OSTIARY_TEST_ATTACKED_DATABASE"
)

type described struct {
	Target attack.Target
	Attack string
}

// attackUntilKilled is the process of an attacker. It prints a line when the attack is under
// way, and another when its streams have been refused.
func attackUntilKilled() {
	content, err := os.ReadFile(os.Getenv(attackWith))
	if err != nil {
		panic(err)
	}
	var d described
	if err := json.Unmarshal(content, &d); err != nil {
		panic(err)
	}
	for _, a := range append(attack.All(), attack.Streams(len(d.Target.Tokens))) {
		if a.Name != d.Attack {
			continue
		}
		var progress attack.Progress
		go func() {
			for !progress.UnderWay(a) {
				<-time.After(time.Millisecond)
			}
			fmt.Fprintln(os.Stdout, "under way")
			for progress.Answers("16") < progress.Sent() {
				<-time.After(time.Millisecond)
			}
			fmt.Fprintln(os.Stdout, "refused")
		}()
		d.Target.Run(context.Background(), a, &progress)
	}
}

// serveAttacked is the process of a server that is attacked. For each line that it reads, it
// gives memory that it does not use back to the machine, and prints a line.
func serveAttacked() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "attacked")
	if err != nil {
		panic(err)
	}
	srv, err := New(ctx, settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DataDir: dir, DatabaseURL: os.Getenv(attackedDatabase),
		Issuers: []settings.Issuer{{URL: os.Getenv(attackedIssuer), AllowAnyAudience: true, Algorithms: []string{"RS256", "EdDSA"}}}, OperatorSubjects: []string{"user_olga"},
		MaxStreamsPerSubject: 10_000, Profiling: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, srv.HTTPAddr(), srv.GRPCAddr(), srv.AdminAddr())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			debug.FreeOSMemory()
			fmt.Fprintln(os.Stdout, "freed")
		}
	}()
	_ = srv.Run(ctx)
}

// attacked is a server in a process of its own.
type attacked struct {
	http, native, admin string // addresses
	*program
}

func startAttacked(b *testing.B, issuer hourIssuer, database string) attacked {
	b.Helper()
	process := exec.CommandContext(b.Context(), os.Args[0])
	process.Env = append(os.Environ(), attackedIssuer+"="+issuer.URL(), attackedDatabase+"="+database)
	a := attacked{program: startProcess(b, process)}
	if _, err := fmt.Sscan(<-a.said, &a.http, &a.native, &a.admin); err != nil {
		b.Fatalf("the server does not start: %v", err)
	}
	return a
}

// A program is a process that runs until the benchmark ends.
type program struct {
	*exec.Cmd

	stdin io.Writer
	said  chan string // the lines that it prints
}

func startProcess(b *testing.B, process *exec.Cmd) *program {
	b.Helper()
	p := &program{Cmd: process, said: make(chan string, 2)}
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err == nil {
		p.stdin, err = process.StdinPipe()
	}
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	go func() {
		defer close(p.said)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.said <- scanner.Text()
		}
	}()
	return p
}

// startAttack returns when the attack is under way, by a process of the lowest priority.
func startAttack(b *testing.B, d described) (said <-chan string, stop func()) {
	b.Helper()
	content, err := json.Marshal(d)
	if err != nil {
		b.Fatal(err)
	}
	file := b.TempDir() + "/attack.json"
	if err := os.WriteFile(file, content, 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	process := exec.CommandContext(ctx, "nice", "-n", "19", os.Args[0])
	process.Env = append(os.Environ(), attackWith+"="+file)
	said = startProcess(b, process).said
	if line := <-said; line != "under way" {
		b.Fatalf("the attacker says %q", line)
	}
	return said, cancel
}

// BenchmarkAttacks prints, for each attack on each port, the 99th percentile of what another
// caller waits for, and how many times as long that is as without the attack. Server, attacker
// and caller are processes; the attacker has the lowest priority. Each attacked round is between
// two quiet ones, to whose mean it is compared, and the medians of the rounds count.
func BenchmarkAttacks(b *testing.B) {
	issuer := hourIssuer{authtest.Start(b)}
	attacked := target(issuer, "", 2000)
	ada := issuer.Session("user_ada")
	server := startAttacked(b, issuer, "")
	for _, port := range []struct{ name, addr string }{{"HTTP", server.http}, {"native", server.native}} {
		attacked.Addr = port.addr
		caller := newCaller(b, port.addr, ada)
		for _, a := range attack.All() {
			b.Run(port.name+"/"+strings.ReplaceAll(a.Name, " ", "_"), func(b *testing.B) {
				var quiet, during, times []time.Duration
				before := caller.round(b)
				for range b.N {
					_, stop := startAttack(b, described{attacked, a.Name})
					is := caller.round(b)
					stop()
					after := caller.round(b)
					was := (before + after) / 2
					quiet, during, times = append(quiet, was), append(during, is), append(times, time.Duration(1000*float64(is)/float64(was)))
					before = after
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(milliseconds(quantile(quiet, 0.5)), "quiet-p99-ms")
				b.ReportMetric(milliseconds(quantile(during, 0.5)), "attacked-p99-ms")
				b.ReportMetric(float64(quantile(times, 0.5))/1000, "times")
				b.ReportMetric(load(), "load")
			})
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile sorts all, and returns which of them is above that share of them.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(int(float64(len(all))*q), len(all)-1)]
}

// load returns the load average of the last minute, or 0 where it is not known.
func load() (average float64) {
	content, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(content), &average)
	return average
}

type caller struct {
	conn *grpc.ClientConn
	ctx  context.Context
}

func newCaller(b *testing.B, addr, token string) caller {
	b.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return caller{conn, metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token)}
}

// round calls for a second, and returns the 99th percentile of what a call took.
func (c caller) round(b *testing.B) time.Duration {
	b.Helper()
	over := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(over) })
	return quantile(c.until(b, over), 0.99)
}

// until calls every other millisecond, or as often as it is answered, and returns what each
// call took.
func (c caller) until(b *testing.B, over <-chan struct{}) (took []time.Duration) {
	b.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return took
		case <-tick.C:
		}
		began := time.Now()
		if err := c.conn.Invoke(c.ctx, whoAmIProcedure, new(emptypb.Empty), new(identityv1.WhoAmIResponse)); err != nil {
			b.Errorf("a call during the attack: %v", err)
		}
		took = append(took, time.Since(began))
	}
}
