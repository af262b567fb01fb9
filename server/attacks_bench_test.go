package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/attack"
)

// attackWith has a process attack what it describes, and attackedIssuer one serve.
const (
	attackWith     = "OSTIARY_TEST_ATTACK"
	attackedIssuer = "OSTIARY_TEST_ATTACKED"
)

// manyStreams are those of a subject that is revoked.
const manyStreams = 10_000

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
	for _, a := range append(attack.All(), attack.Streams(manyStreams)) {
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

// serveAttacked is the process of a server that is attacked.
func serveAttacked() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "attacked")
	if err != nil {
		panic(err)
	}
	srv, err := New(ctx, Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DataDir: dir,
		Issuers: []Issuer{{URL: os.Getenv(attackedIssuer), AllowAnyAudience: true}}, OperatorSubjects: []string{"user_olga"},
		MaxStreamsPerSubject: manyStreams, Profiling: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, srv.HTTPAddr(), srv.GRPCAddr(), srv.AdminAddr())
	_ = srv.Run(ctx)
}

// A port is one of a server in a process of its own.
type port struct{ name, addr string }

// startAttacked returns the two ports.
func startAttacked(b *testing.B, issuer hourIssuer) []port {
	b.Helper()
	process := exec.CommandContext(b.Context(), os.Args[0])
	process.Env = append(os.Environ(), attackedIssuer+"="+issuer.URL())
	said := startProcess(b, process)
	var http, native, admin string
	if _, err := fmt.Sscan(<-said, &http, &native, &admin); err != nil {
		b.Fatalf("the server does not start: %v", err)
	}
	return []port{{"HTTP", http}, {"native", native}}
}

// startProcess runs a process until the benchmark ends, and returns the lines that it prints.
func startProcess(b *testing.B, process *exec.Cmd) (lines <-chan string) {
	b.Helper()
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
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
	said := make(chan string, 2)
	go func() {
		defer close(said)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			said <- scanner.Text()
		}
	}()
	return said
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
	said = startProcess(b, process)
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
	for _, port := range startAttacked(b, issuer) {
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

// BenchmarkEndingStreams prints, for each port, what another caller waits for while the 10,000
// streams of a subject are ended, as it was revoked; and how long that takes.
func BenchmarkEndingStreams(b *testing.B) {
	issuer := hourIssuer{authtest.Start(b)}
	ports := startAttacked(b, issuer)
	olga := newCaller(b, ports[1].addr, issuer.Session("user_olga"))
	for _, port := range ports {
		caller := newCaller(b, port.addr, issuer.Session("user_ada"))
		b.Run(port.name, func(b *testing.B) {
			var quiet, during, longest, took []time.Duration
			for n := range b.N {
				subject := fmt.Sprint("user_", port.name, b.N, "_", n)
				held := attack.Target{Addr: port.addr, Path: identityv1connect.IdentityServiceWatchIdentityProcedure, Tokens: []string{issuer.Session(subject)}}
				said, stop := startAttack(b, described{held, attack.Streams(manyStreams).Name})
				quiet = append(quiet, caller.round(b))
				began := time.Now()
				revoked := make(chan error, 1)
				go func() {
					revoked <- olga.conn.Invoke(olga.ctx, revokeSubjectProcedure,
						endpoint{issuer: issuer.URL()}.subjectReq(subject), new(sessionv1.RevokeSubjectResponse))
				}()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					<-said
					took = append(took, time.Since(began))
				}()
				waits := caller.until(b, ended)
				if err := <-revoked; err != nil {
					b.Fatal(err)
				}
				stop()
				during, longest = append(during, quantile(waits, 0.99)), append(longest, quantile(waits, 1))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(milliseconds(quantile(quiet, 0.5)), "quiet-p99-ms")
			b.ReportMetric(milliseconds(quantile(during, 0.5)), "ending-p99-ms")
			b.ReportMetric(milliseconds(quantile(longest, 0.5)), "longest-ms")
			b.ReportMetric(milliseconds(quantile(took, 0.5)), "took-ms")
			b.ReportMetric(load(), "load")
		})
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
