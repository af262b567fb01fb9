package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/attack"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// target is what every attack needs on one port, with many subjects.
func target(r hourIssuer, addr string, subjects int) attack.Target {
	t := attack.Target{
		Addr: addr, Path: whoAmIProcedure,
		Forged: r.Session("user_eve", authtest.SignedBy(authtest.NewKey("RS256").WithID(r.Key().ID()))),
	}
	for i := range subjects {
		t.Tokens = append(t.Tokens, r.Session("user_"+strconv.Itoa(i)))
	}
	bomb := gzipped(8 * transport.MaxMessageBytes)
	t.Bomb = slices.Concat([]byte{1, 0, 0, byte(len(bomb) >> 8), byte(len(bomb))}, bomb)
	return t
}

// TestOthersAreServedDuringEachAttack has ada call while each attack goes on.
func TestOthersAreServedDuringEachAttack(t *testing.T) { //nolint:tparallel // see there
	t.Parallel()
	r := start(t)
	ada := r.issuer.Session("user_ada")
	for name, addr := range map[string]net.Addr{"HTTP port": r.HTTPAddr(), "native port": r.GRPCAddr()} { //nolint:paralleltest // they take turns
		attacked := target(r.issuer, addr.String(), 20)
		for _, a := range attack.All() {
			t.Run(name+", "+a.Name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				over := make(chan struct{})
				go func() {
					defer close(over)
					attacked.Run(ctx, a)
				}()
				for range 5 {
					for protocol, call := range r.protocols() {
						if _, err := call(t.Context(), t, ada); err != nil {
							t.Errorf("%s: %v", protocol, err)
						}
					}
				}
				cancel()
				<-over
			})
		}
	}
	eventually(t, "the connections of the attacks have ended", func() bool { return r.connections.Open() < 20 })
}

// TestAConnectionThatResetsWithoutPauseIsClosed does so on both ports.
func TestAConnectionThatResetsWithoutPauseIsClosed(t *testing.T) {
	t.Parallel()
	for name, native := range map[string]bool{"HTTP port": false, "native port": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			addr := r.HTTPAddr()
			if native {
				addr = r.GRPCAddr()
			}
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			said, sent := attack.ResetUntilClosed(conn, whoAmIProcedure, r.issuer.Session("user_ada"), 100_000)
			if sent < 250 || sent == 100_000 {
				t.Errorf("closed after %d resets; want a few more than 250", sent)
			}
			if native && (said.ErrCode != http2.ErrCodeEnhanceYourCalm || said.Debug != "too_many_resets") {
				t.Errorf("the server said %v; want ENHANCE_YOUR_CALM, too_many_resets", said)
			}
			eventually(t, "there is a line in the log", func() bool {
				return strings.Contains(r.log.String(), "the client reset streams without pause")
			})
		})
	}
}

// TestConnectionsOfOneAddressAreBoundedOverBothPorts has one silent connection too many.
func TestConnectionsOfOneAddressAreBoundedOverBothPorts(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.MaxConnectionsPerAddress = 2 })
	dial := func(addr net.Addr) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	first := dial(r.HTTPAddr())
	dial(r.GRPCAddr())
	eventually(t, "both are open", func() bool { return r.connections.Open() == 2 })
	for _, addr := range []net.Addr{r.HTTPAddr(), r.GRPCAddr()} {
		third := dial(addr)
		_ = third.SetReadDeadline(time.Now().Add(30 * time.Second))
		if n, err := third.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: read %d, %v; want that a third connection is closed", addr, n, err)
		}
	}
	if refused := r.connections.RefusedTotal(); refused != 2 || !strings.Contains(r.log.String(), "too many connections from one address") {
		t.Errorf("%d refused; want 2, and a line in the log", refused)
	}
	_ = first.Close()
	eventually(t, "there is a place", func() bool { return r.connections.Open() == 1 })
	announced(t, r.GRPCAddr()) // it is served
}

// attackWith has a process attack what it describes, and attackedIssuer one serve.
const (
	attackWith     = "OSTIARY_TEST_ATTACK"
	attackedIssuer = "OSTIARY_TEST_ATTACKED"
)

type described struct {
	Target attack.Target
	Attack string
}

// attackUntilKilled is the process of an attacker.
func attackUntilKilled() {
	content, err := os.ReadFile(os.Getenv(attackWith))
	if err != nil {
		panic(err)
	}
	var d described
	if err := json.Unmarshal(content, &d); err != nil {
		panic(err)
	}
	for _, a := range attack.All() {
		if a.Name == d.Attack {
			d.Target.Run(context.Background(), a)
		}
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
		Issuers: []Issuer{{URL: os.Getenv(attackedIssuer), AllowAnyAudience: true}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, srv.HTTPAddr(), srv.GRPCAddr())
	_ = srv.Run(ctx)
}

// BenchmarkAttacks prints, for each attack on each port, the 99th percentile of what another
// caller waits for, and how many times as long that is as without the attack. Server, attacker
// and caller are processes; the attacker has the lowest priority. Quiet and attacked rounds
// take turns, and the medians of the rounds count.
func BenchmarkAttacks(b *testing.B) {
	issuer := hourIssuer{authtest.Start(b)}
	process := exec.CommandContext(b.Context(), os.Args[0])
	process.Env = append(os.Environ(), attackedIssuer+"="+issuer.URL())
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	said := bufio.NewScanner(out)
	if !said.Scan() {
		b.Fatal("the server does not start")
	}
	var httpAddr, grpcAddr string
	_, _ = fmt.Sscan(said.Text(), &httpAddr, &grpcAddr)
	attacked := target(issuer, "", 2000)
	ada := issuer.Session("user_ada")
	for _, port := range [][2]string{{"HTTP", httpAddr}, {"native", grpcAddr}} {
		attacked.Addr = port[1]
		caller := newCaller(b, port[1], ada)
		for _, a := range attack.All() {
			b.Run(port[0]+"/"+strings.ReplaceAll(a.Name, " ", "_"), func(b *testing.B) {
				var quiet, during []time.Duration
				for range 5 * b.N {
					quiet = append(quiet, caller.p99(b))
					stop := startAttack(b, described{attacked, a.Name})
					during = append(during, caller.p99(b))
					stop()
				}
				slices.Sort(quiet)
				slices.Sort(during)
				was, is := quiet[len(quiet)/2], during[len(during)/2]
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(was.Microseconds())/1000, "quiet-p99-ms")
				b.ReportMetric(float64(is.Microseconds())/1000, "attacked-p99-ms")
				b.ReportMetric(float64(is)/float64(was), "times")
			})
		}
	}
}

func startAttack(b *testing.B, d described) (stop func()) {
	b.Helper()
	content, err := json.Marshal(d)
	if err != nil {
		b.Fatal(err)
	}
	file := b.TempDir() + "/attack.json"
	if err := os.WriteFile(file, content, 0o600); err != nil {
		b.Fatal(err)
	}
	process := exec.CommandContext(b.Context(), "nice", "-n", "19", os.Args[0])
	process.Env = append(os.Environ(), attackWith+"="+file)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	<-time.After(500 * time.Millisecond) // until the attack is under way
	return func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
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

// p99 calls every few milliseconds for two seconds.
func (c caller) p99(b *testing.B) time.Duration {
	b.Helper()
	var all []time.Duration
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		<-tick.C
		began := time.Now()
		if err := c.conn.Invoke(c.ctx, whoAmIProcedure, new(emptypb.Empty), new(identityv1.WhoAmIResponse)); err != nil {
			b.Errorf("a call during the attack: %v", err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
