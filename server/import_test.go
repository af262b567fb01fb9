package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// rowsOf returns revocations of n sessions.
func (tr endpoint) rowsOf(prefix string, n int) []*revocationv1.NewRevocation {
	rows := make([]*revocationv1.NewRevocation, n)
	for i := range rows {
		rows[i] = tr.ofSession(fmt.Sprint(prefix, i))
	}
	return rows
}

func (r *running) rowsOf(prefix string, n int) []*revocationv1.NewRevocation {
	return r.transports()["Connect"].rowsOf(prefix, n)
}

// revocationsKept returns how many revocations the server has on disk.
func (r *running) revocationsKept(t *testing.T) int {
	t.Helper()
	kept, err := r.ledger.Revocations(t.Context(), store.RevocationListing{}, ledger.Place{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(kept.Revocations)
}

// Each batch checks the permissions again, as a newer token may lack them.
func TestAnImportStopsWhenItsCallerIsNoLongerAnOperator(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		for name, last := range map[string]int{"amid a batch": 1, "with a whole batch": ledger.BatchSize} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				t.Parallel()
				r := start(t, func(c *settings.Config) { c.OperatorPermission = "org:tokens:revoke" })
				issued := time.Now().Truncate(time.Second)
				mint := func(after time.Duration, permissions ...string) string {
					return r.issuer.Session("user_pam", authtest.With("sid", "pam"), authtest.IssuedAt(issued.Add(after)),
						authtest.ExpiresIn(time.Minute), authtest.InOrganization("org_acme", "acme", "member", permissions...))
				}
				stream, err := r.transports()[protocol].revocations(t, mint(-time.Second, "tokens:revoke")).ImportRevocations(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: r.rowsOf("first_", ledger.BatchSize)}); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the first batch is revoked", func() bool { return r.revocationsKept(t) == ledger.BatchSize })
				r.wantAdmitted(t, "the token without the permission", mint(0))
				_ = stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: r.rowsOf("second_", last)})
				summary, err := stream.CloseAndReceive()
				if reason, _ := connectauth.ReasonOf(err); reason != auth.PermissionRequired {
					t.Errorf("%v, error %v; want %v", summary, err, auth.PermissionRequired)
				}
				if kept := r.revocationsKept(t); kept != ledger.BatchSize {
					t.Errorf("%d are revoked; want the first %d alone", kept, ledger.BatchSize)
				}
			})
		}
	}
}

// Callers delete the rows at the source once the import succeeds.
func TestAnImportThatTheStoreRefusesFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows, kept int
	}{
		"the only batch": {1, 0},
		"the last batch": {ledger.BatchSize + 1, ledger.BatchSize},
		"a batch amid":   {3 * ledger.BatchSize, ledger.BatchSize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, protocol := range transportNames() {
				r := start(t, withOperator)
				r.database(t, fmt.Sprintf(`CREATE TRIGGER disk_full BEFORE INSERT ON revocations
					WHEN (SELECT count(*) FROM revocations) >= %d BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`, test.kept))
				summary, err := send(t, r.transports()[protocol].revocations(t, r.issuer.Session("user_otto")), r.rowsOf("sess_", test.rows))
				if connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "disk") {
					t.Errorf("%s: %v, error %v; want unavailable, and no word of why", protocol, summary, err)
				}
				if kept := r.revocationsKept(t); kept != test.kept {
					t.Errorf("%s: %d are revoked; want %d", protocol, kept, test.kept)
				}
			}
		})
	}
}

// transportNames are the keys of transports, for tests with a server for each.
func transportNames() []string { return []string{"Connect", "gRPC", "gRPC-Web", "native gRPC"} }

func TestAnIncompleteUploadIsAnError(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			ctx, leave := context.WithCancel(t.Context())
			stream, err := r.transports()[protocol].revocations(t, r.issuer.Session("user_otto")).ImportRevocations(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: r.rowsOf("sess_", ledger.BatchSize+1)}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first batch is revoked", func() bool { return r.revocationsKept(t) == ledger.BatchSize })
			leave()
			eventually(t, "the call is over", func() bool { return contains(r.log, "ImportRevocations", "code=") })
			if _, err := stream.CloseAndReceive(); connect.CodeOf(err) != connect.CodeCanceled {
				t.Errorf("%v; want canceled", err)
			}
			if contains(r.log, "ImportRevocations", "code=ok") || r.revocationsKept(t) != ledger.BatchSize {
				t.Errorf("%d are revoked; want the first %d alone, and no success in the log", r.revocationsKept(t), ledger.BatchSize)
			}
		})
	}
}

// A body that ends within a message does not end the stream normally.
func TestAnUploadThatBreaksOffWithinAMessageFails(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	for protocol, w := range r.wires() {
		if w.contentType == "application/proto" {
			w.contentType = "application/connect+proto"
		}
		body := w.body(t, &revocationv1.ImportRevocationsRequest{Revocations: r.rowsOf("sess_", 1)})
		body = append(body, body[:len(body)-1]...)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+revocationv1connect.RevocationServiceImportRevocationsProcedure, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", w.contentType)
		req.Header.Set("Te", "trailers")
		bearer(otto).set(req.Header)
		res, err := httpClient(t, w.http2).Do(req)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		content, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answer := fmt.Sprintf("Grpc-Status: %s%s %s", res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status"), content)
		if ended(answer, 0) || !strings.Contains(answer, `"code":"`) && !strings.Contains(strings.ToLower(answer), "grpc-status: 1") {
			t.Errorf("%s: %q; want an error", protocol, answer)
		}
	}
	if kept := r.revocationsKept(t); kept != 0 {
		t.Errorf("%d are revoked; want none", kept)
	}
}

// A caller who goes on sending does not keep the server from stopping.
func TestAnImportThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator, func(c *settings.Config) { c.ShutdownTimeout = 100 * time.Millisecond })
			stream, err := r.transports()[protocol].revocations(t, r.issuer.Session("user_otto")).ImportRevocations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan struct{}, 1)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for i := 0; ; i++ {
					if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: r.rowsOf(fmt.Sprint("sess_", i, "_"), 1)}); err != nil {
						return
					}
					select {
					case sent <- struct{}{}:
					default:
					}
				}
			}()
			<-sent
			began := time.Now()
			if err := r.stop(); err != nil {
				t.Errorf("Run returned %v; want nil", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("stopping took %s", took)
			}
			<-ended
			if _, err := stream.CloseAndReceive(); err == nil {
				t.Error("the import is said to have been whole")
			}
		})
	}
}

func TestTheSummaryOfAnImportNamesAThousandRejected(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for bad, named := range map[int]int{maxRejected - 1: maxRejected - 1, maxRejected: maxRejected, maxRejected + 1: maxRejected} {
		summary, err := send(t, r.revocations(t, r.issuer.Session("user_otto")), slices.Repeat([]*revocationv1.NewRevocation{r.ofSession("")}, bad))
		if err != nil || int(summary.GetRejectedCount()) != bad || len(summary.GetRejectedRevocations()) != named || summary.GetImportedCount() != 0 {
			t.Errorf("%d bad rows: %d rejected, %d named, error %v", bad, summary.GetRejectedCount(), len(summary.GetRejectedRevocations()), err)
		}
		for i, row := range summary.GetRejectedRevocations() {
			if row.GetIndex() != int64(i) {
				t.Fatalf("row %d is named as %d", i, row.GetIndex())
			}
		}
	}
}
