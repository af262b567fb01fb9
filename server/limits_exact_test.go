package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// messageOf returns a message of exactly so many bytes, which holds nothing that
// is known.
func messageOf(size int) []byte {
	const overhead = 6 // the tag of a field, and a length of four bytes
	message := protowire.AppendTag(nil, 1000, protowire.BytesType)
	return protowire.AppendBytes(message, make([]byte, size-overhead))
}

func TestTheLargestMessageIsReadAndNoneThatIsLarger(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.issuer.Session("user_ada")
	for protocol, w := range r.wires() {
		for size, code := range map[int]connect.Code{transport.MaxMessageBytes: 0, transport.MaxMessageBytes + 1: connect.CodeResourceExhausted} {
			message := messageOf(size)
			if len(message) != size {
				t.Fatalf("a message of %d bytes; want %d", len(message), size)
			}
			if w.contentType != "application/proto" {
				message = enveloped(message)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+whoAmIProcedure, bytes.NewReader(message))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", w.contentType)
			req.Header.Set("Te", "trailers")
			bearer(ada).set(req.Header)
			res, err := httpClient(t, w.http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			answer := fmt.Sprintf("Grpc-Status: %s%s %s", res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status"), content)
			served := bytes.Contains(content, []byte("user_ada"))
			if served != (code == 0) || code != 0 && !ended(answer, code) {
				t.Errorf("%s, %d bytes: %.200q", protocol, size, answer)
			}
		}
	}
}

func TestAPageIsAsLargeAsItMayBe(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	const n = 1001
	if _, err := send(t, r.revocations(t, otto), rowsOf("sess_", n)); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[int32]int{0: 100, 1: 1, 999: 999, 1000: 1000} {
		res, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: asked})
		if err != nil || len(res.GetRevocations()) != want || res.GetNextPageToken() == "" {
			t.Errorf("a page of %d: %d, next %q, error %v; want %d, and that there are more", asked, len(res.GetRevocations()), res.GetNextPageToken(), err, want)
		}
	}
	for _, asked := range []int32{-1, 1001} {
		_, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: asked})
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_size: ask for 1 to 1000") {
			t.Errorf("a page of %d: %v; want invalid argument", asked, err)
		}
	}
	// The last page is as full as the others, and says that it is the last.
	first, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: n - 500})
	if err != nil {
		t.Fatal(err)
	}
	last, err := r.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageSize: 500, PageToken: first.GetNextPageToken()})
	if err != nil || len(last.GetRevocations()) != 500 || last.GetNextPageToken() != "" {
		t.Errorf("the last page has %d, next %q, error %v", len(last.GetRevocations()), last.GetNextPageToken(), err)
	}
}

// A page token that is none must not begin again with the first page, which a
// client would then read for ever.
func TestABadPageTokenIsNotTheFirstPage(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	ofSessions := must(pageToken(sessionPlace{1, r.issuer.URL(), "sess_1", "user_ada"}))
	ofRevocations := must(pageToken(revocationPlace{1}))
	for protocol, tr := range r.transports() {
		for _, token := range []string{
			"!", "e30e30", ofSessions, ofRevocations + "e30", ofRevocations + "=", "eyJuIjoiMSJ9", "eyJuIjoxLCJ4IjoxfQ",
			strings.Repeat("A", maxPageToken+1),
		} {
			res, err := tr.revocations(t, otto).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: token})
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_token: not one of this method") {
				t.Errorf("ListRevocations from %.20q over %s: %v, error %v; want invalid argument", token, protocol, res, err)
			}
		}
		for _, token := range []string{"!", "e30e30", ofRevocations, ofSessions + "e30", ofSessions + "=", strings.Repeat("A", maxPageToken+1)} {
			res, err := tr.sessions(t, otto).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{PageToken: token})
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "page_token: not one of this method") {
				t.Errorf("ListSessions from %.20q over %s: %v, error %v; want invalid argument", token, protocol, res, err)
			}
		}
	}
}

func TestTheSummaryOfAnImportNamesAThousandBadRows(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	for bad, named := range map[int]int{maxBadRows - 1: maxBadRows - 1, maxBadRows: maxBadRows, maxBadRows + 1: maxBadRows} {
		summary, err := send(t, r.revocations(t, r.issuer.Session("user_otto")), slices.Repeat([]*revocationv1.NewRevocation{ofSession("")}, bad))
		if err != nil || int(summary.GetRejected()) != bad || len(summary.GetBadRows()) != named || summary.GetImported() != 0 {
			t.Errorf("%d bad rows: %d rejected, %d named, error %v", bad, summary.GetRejected(), len(summary.GetBadRows()), err)
		}
		for i, row := range summary.GetBadRows() {
			if row.GetRow() != int64(i+1) {
				t.Fatalf("row %d is named as %d", i+1, row.GetRow())
			}
		}
	}
}

// As many methods may be asked about as there are.
func TestExplainIsAskedAboutAsManyMethodsAsThereAre(t *testing.T) {
	t.Parallel()
	r := start(t)
	client := r.transports()["Connect"].policies(t, r.issuer.Session("user_ada"))
	list, err := client.ListRules(t.Context(), &accessv1.ListRulesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	most := slices.Repeat([]string{revocationv1connect.RevocationServiceListRevocationsProcedure}, len(list.GetRules()))
	if res, err := client.Explain(t.Context(), &accessv1.ExplainRequest{Procedures: most}); err != nil || len(res.GetExplanations()) != len(most) {
		t.Errorf("%d explanations, error %v; want %d", len(res.GetExplanations()), err, len(most))
	}
	if _, err := client.Explain(t.Context(), &accessv1.ExplainRequest{Procedures: append(most, most[0])}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("one more: %v; want invalid argument", err)
	}
}

// How far ahead the instant may lie before which tokens are revoked.
func TestAnInstantToComeIsRefusedOnceItIsNoDifferenceOfClocks(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withOperator, now.set)
	latest := r.ledger.IssuedByNow(r.issuer.URL()).Add(maxAhead)
	for _, test := range []struct {
		at   time.Time
		want connect.Code
	}{
		{time.UnixMicro(1), 0}, {time.UnixMicro(0), connect.CodeInvalidArgument}, {time.UnixMicro(-1), connect.CodeInvalidArgument},
		{latest, 0}, {latest.Add(time.Nanosecond), connect.CodeInvalidArgument},
	} {
		revocation := ofSession("sess_1")
		revocation.Target.IssuedBefore = timestamppb.New(test.at)
		_, err := r.revocations(t, r.issuer.Session("user_otto", authtest.IssuedAt(now.now()))).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocation: revocation})
		if got := connect.CodeOf(err); err == nil && test.want != 0 || err != nil && got != test.want {
			t.Errorf("%v: %v; want %v", test.at, err, test.want)
		}
	}
}

func TestTheDatabaseOfTheSettingIsTheOneThatIsUsed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "elsewhere", "other.db")
	withDatabase := func(c *Config) { c.DatabaseURL = "sqlite:" + path }
	r := start(t, withDatabase)
	token := r.issuer.Session("user_ada")
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(r.config.DataDir); err != nil || len(left) != 0 {
		t.Errorf("the data directory has %v, error %v; want nothing in it", left, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	issuers := r.config.Issuers
	again := start(t, withDatabase, func(c *Config) { c.Issuers = issuers })
	again.wantReason(t, "the token, with another data directory", token, auth.TokenRevoked)
	db, err := ledger.OpenStore(t.Context(), "sqlite:"+path, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if kept, err := db.Revocations(t.Context(), 0, 10); err != nil || len(kept) != 1 {
		t.Errorf("the file has %d revocations, error %v; want 1", len(kept), err)
	}
}
