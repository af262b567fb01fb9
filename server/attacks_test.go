package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/attack"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
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

// TestOthersAreServedDuringEachAttack has ada call while each attack goes on, which comes from
// another address, and looks for what the server does about the attack.
func TestOthersAreServedDuringEachAttack(t *testing.T) { //nolint:tparallel // the attacks take turns
	if runtime.GOOS != "linux" {
		t.Skip("attacks come from 127.0.0.2, which other systems have to be given first")
	}
	t.Parallel()
	for name, native := range map[string]bool{"HTTP port": false, "native port": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attackInTurn(t, native)
		})
	}
}

func attackInTurn(t *testing.T, native bool) {
	t.Helper()
	r := start(t, func(c *settings.Config) {
		c.RequestTimeout, c.MaxConnections, c.MaxConnectionsPerAddress = 3*time.Second, 150, 100
	})
	attacked := target(r.issuer, r.portAddr(native), 20)
	attacked.From = "127.0.0.2"
	ada := r.issuer.Session("user_ada")
	for _, a := range attack.All() {
		t.Run(a.Name, func(t *testing.T) {
			before := r.connections.RefusedTotal()
			progress, stop := runAttack(t, attacked, a)
			defer stop()
			eventually(t, "the attack is under way", func() bool { return progress.UnderWay(a) })
			for range 3 {
				r.wantServed(t, ada)
			}
			eventually(t, "the server defends itself", func() bool {
				refused := r.connections.RefusedTotal() - before
				switch a.Name {
				case attack.Resets.Name, attack.Continuations.Name: // are closed
					return progress.Closed() > 1
				case attack.Silent.Name: // are closed as well as bounded
					return refused > 0 && progress.Closed() > refused
				case attack.SlowHeaders.Name: // are bounded
					return refused > 0
				case attack.Forged.Name: // are refused later
					return r.refusals.DelayedTotal() > 0 && progress.Answers("16") > 0
				default: // DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED; and OK to many subjects
					status := map[string]string{attack.SlowBodies.Name: "4", attack.Bombs.Name: "8"}[a.Name]
					return progress.Answers(cmp.Or(status, "0")) > 0
				}
			})
		})
		eventually(t, "the connections of the attack have ended", func() bool { return r.connections.Open() == 0 })
	}
}

func (r *running) portAddr(native bool) string {
	if native {
		return r.GRPCAddr().String()
	}
	return r.HTTPAddr().String()
}

// runAttack attacks until the function that it returns is called.
func runAttack(t *testing.T, attacked attack.Target, a attack.Attack) (*attack.Progress, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	progress := new(attack.Progress)
	over := make(chan struct{})
	go func() {
		defer close(over)
		attacked.Run(ctx, a, progress)
	}()
	return progress, func() {
		cancel()
		<-over
	}
}

// wantServed calls in every protocol.
func (r *running) wantServed(t *testing.T, token string) {
	t.Helper()
	for protocol, call := range r.protocols() {
		if _, err := call(t.Context(), t, token); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

// TestAllStreamsOfASubjectEndWhileOthersCall revokes a subject with a thousand streams.
func TestAllStreamsOfASubjectEndWhileOthersCall(t *testing.T) {
	t.Parallel()
	for name, native := range map[string]bool{"HTTP port": false, "native port": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const many = 1000
			r := start(t, withOperator, func(c *settings.Config) { c.MaxStreamsPerSubject = many })
			held := attack.Target{Addr: r.portAddr(native), Path: identityv1connect.IdentityServiceWatchIdentityProcedure, Tokens: []string{r.issuer.Session("user_bob")}}
			progress, stop := runAttack(t, held, attack.Streams(many))
			defer stop()
			eventually(t, "all streams are open", func() bool { return r.guard.OpenStreams() == many && progress.UnderWay(attack.Streams(many)) })
			if _, err := r.sessions(t, r.issuer.Session("user_otto")).RevokeSubject(t.Context(), r.subjectReq("user_bob")); err != nil {
				t.Fatal(err)
			}
			ada := r.issuer.Session("user_ada")
			eventually(t, "all streams have ended with UNAUTHENTICATED", func() bool {
				r.wantServed(t, ada)
				return progress.Answers("16") == many
			})
			if open := r.guard.OpenStreams(); open != 0 {
				t.Errorf("%d streams are open", open)
			}
		})
	}
}

// TestAConnectionThatResetsWithoutPauseIsClosed does so on both ports, with TLS and without,
// and again on a new connection.
func TestAConnectionThatResetsWithoutPauseIsClosed(t *testing.T) {
	t.Parallel()
	cert, key, roots := selfSigned(t)
	plain := new(net.Dialer)
	secured := &tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}}
	for name, tt := range map[string]struct {
		dialer interface {
			DialContext(ctx context.Context, network, addr string) (net.Conn, error)
		}
		native bool
	}{
		"HTTP port": {plain, false}, "native port": {plain, true},
		"HTTP port with TLS": {secured, false}, "native port with TLS": {secured, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *settings.Config) {
				if tt.dialer == secured {
					c.TLSCert, c.TLSKey = cert, key
				}
			})
			for _, atLeast := range []int{1000, 10} {
				conn, err := tt.dialer.DialContext(t.Context(), "tcp", r.portAddr(tt.native))
				if err != nil {
					t.Fatal(err)
				}
				said, sent := attack.ResetUntilClosed(conn, whoAmIProcedure, r.issuer.Session("user_ada"), 1_000_000)
				_ = conn.Close()
				if sent < atLeast || sent == 1_000_000 {
					t.Errorf("closed after %d resets; want %d, or a few more", sent, atLeast)
				}
				if tt.native && (said.ErrCode != http2.ErrCodeEnhanceYourCalm || said.Debug != "too_many_resets") {
					t.Errorf("the server said %v; want ENHANCE_YOUR_CALM, too_many_resets", said)
				}
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
	r := start(t, func(c *settings.Config) { c.MaxConnectionsPerAddress = 2 })
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

// TestConnectionsOfAProxyAreNotThoseOfOneAddress has three come through one that names its
// clients by the PROXY protocol.
func TestConnectionsOfAProxyAreNotThoseOfOneAddress(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string]string{"a trusted proxy": "127.0.0.1", "a peer that is none": "10.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exempt := trusted == "127.0.0.1"
			r := start(t, func(c *settings.Config) {
				c.TrustedProxies, c.ProxyProtocol, c.MaxConnectionsPerAddress = []string{trusted}, exempt, 1
			})
			for i, addr := range []net.Addr{r.HTTPAddr(), r.GRPCAddr(), r.HTTPAddr()} {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if exempt {
					_, _ = proxyHeader(2, fmt.Sprintf("203.0.113.%d:4711", i+1)).WriteTo(conn)
				}
			}
			open, refused := 3, 0
			if !exempt {
				open, refused = 1, 2
			}
			eventually(t, fmt.Sprintf("%d connections are open and %d were refused", open, refused), func() bool {
				return r.connections.Open() == open && r.connections.RefusedTotal() == int64(refused)
			})
		})
	}
}
