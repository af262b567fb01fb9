package server

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/attack"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

// manyStreams is how many a subject has that is revoked.
func manyStreams() int {
	if testing.Short() {
		return 200
	}
	return 10_000
}

// BenchmarkEndingStreams revokes a subject that has 10,000 sessions, with an open stream each,
// and prints how long it takes until that is answered and until all streams have ended, the
// processor's time of the server for each, what another caller waits for meanwhile, and by how
// much the server's memory grows at most.
func BenchmarkEndingStreams(b *testing.B) {
	for _, row := range []struct {
		name             string
		native, postgres bool
	}{
		{name: "HTTP"}, {name: "native", native: true}, {name: "native, PostgreSQL", native: true, postgres: true},
	} {
		b.Run(row.name, func(b *testing.B) {
			issuer := hourIssuer{authtest.Start(b)}
			issuer.Publish(authtest.NewKey("EdDSA")) // which signs as many tokens sooner
			var database string
			if row.postgres {
				database = pgtest.NewDatabase(b)
			}
			server := startAttacked(b, issuer, database)
			addr := server.http
			if row.native {
				addr = server.native
			}
			olga := newCaller(b, server.native, issuer.Session("user_olga"))
			ada := newCaller(b, addr, issuer.Session("user_ada"))
			figures := make(map[string][]float64)
			for n := range b.N {
				for unit, figure := range server.endStreams(b, issuer, addr, fmt.Sprint("user_", b.N, "_", n), olga, ada) {
					figures[unit] = append(figures[unit], figure)
				}
			}
			b.ReportMetric(0, "ns/op")
			for unit, all := range figures {
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], unit)
			}
		})
	}
}

// endStreams has olga revoke a subject that has many sessions, while ada calls, and returns the
// figures by their units.
func (a attacked) endStreams(b *testing.B, issuer hourIssuer, addr, subject string, olga, ada caller) map[string]float64 {
	b.Helper()
	held := attack.Target{Addr: addr, Path: identityv1connect.IdentityServiceWatchIdentityProcedure}
	for n := range manyStreams() {
		held.Tokens = append(held.Tokens, issuer.Session(subject, authtest.Algorithm("EdDSA"), authtest.With("sid", fmt.Sprintf("sess_%s_%027d", subject, n))))
	}
	said, stop := startAttack(b, described{held, attack.Streams(manyStreams()).Name})
	defer stop()
	_, _ = fmt.Fprintln(a.stdin)
	<-a.said
	quiet := ada.round(b)
	before := a.memory(b, "VmRSS")
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", a.Process.Pid), []byte("5"), 0); err != nil { // VmHWM is what was used at most since
		b.Skip(err)
	}
	began := time.Now()
	cpu := a.cpu(b)
	var answered, took, answeredCPU time.Duration
	revoked, ended := make(chan error, 1), make(chan struct{})
	go func() {
		var res sessionv1.RevokeSubjectResponse
		err := olga.conn.Invoke(olga.ctx, revokeSubjectProcedure, endpoint{issuer: issuer.URL()}.subjectReq(subject), &res)
		answered = time.Since(began)
		answeredCPU = a.cpu(b) - cpu
		if err == nil && res.GetRevokedSessionCount() != int64(manyStreams()) {
			err = fmt.Errorf("%d sessions were ended; want %d", res.GetRevokedSessionCount(), manyStreams())
		}
		revoked <- err
	}()
	go func() {
		defer close(ended)
		<-said
		took = time.Since(began)
	}()
	waits := ada.until(b, ended)
	if err := <-revoked; err != nil {
		b.Fatal(err)
	}
	return map[string]float64{
		"answered-ms": milliseconds(answered), "answered-cpu-ms": milliseconds(answeredCPU),
		"ended-ms": milliseconds(took), "ended-cpu-ms": milliseconds(a.cpu(b) - cpu),
		"quiet-p99-ms": milliseconds(quiet), "ending-p99-ms": milliseconds(quantile(waits, 0.99)), "longest-ms": milliseconds(quantile(waits, 1)),
		"more-MiB": float64(a.memory(b, "VmHWM")-before) / (1 << 20), "load": load(),
	}
}

// memory returns a figure of the process in bytes, as the kernel has it.
func (a attacked) memory(b *testing.B, name string) (bytes int64) {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			_, err = fmt.Sscan(rest, &bytes)
		}
	}
	if err != nil || bytes == 0 {
		b.Fatalf("%s is not known: %v", name, err)
	}
	return bytes << 10
}

// cpu returns the processor's time that the process has used, to a hundredth of a second.
func (a attacked) cpu(b *testing.B) time.Duration {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
