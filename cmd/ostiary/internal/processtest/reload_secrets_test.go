package processtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A bearerRecord is an API that remembers by which bearer tokens it was asked.
type bearerRecord struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string]bool
}

func recordBearers(t *testing.T) *bearerRecord {
	t.Helper()
	record := &bearerRecord{seen: make(map[string]bool)}
	record.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record.mu.Lock()
		defer record.mu.Unlock()
		record.seen[r.Header.Get("Authorization")] = true
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"sets":{}}`) // no events; for Clerk's API it is an answer that makes no sense
	}))
	t.Cleanup(record.Close)
	return record
}

// await waits until the API was asked by a token.
func (b *bearerRecord) await(t *testing.T, what, token string) {
	t.Helper()
	eventually(t, what+" is asked with "+token, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.seen["Bearer "+token]
	})
}

// webhookSignedBy is a message of Clerk's that means nothing here.
func webhookSignedBy(ctx context.Context, url, secret string) *http.Request {
	body := fmt.Appendf(nil, `{"object":"event","type":"user.created","timestamp":%d,"data":{}}`, time.Now().UnixMilli())
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac, now := hmac.New(sha256.New, key), strconv.FormatInt(time.Now().Unix(), 10)
	mac.Write([]byte("msg_1." + now + "." + string(body)))
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+"/signals/clerk", bytes.NewReader(body)) // the address is well formed
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Svix-Id": {"msg_1"}, "Svix-Timestamp": {now}, "Svix-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
	return req
}

// apiRequest is a call of a procedure with a token by Connect.
func apiRequest(ctx context.Context, url, procedure, token, body string) *http.Request {
	req := whoAmIRequest(ctx, url, token)
	req.URL.Path = procedure
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return req
}

// Each secret is changed in its file, and who the operators are in the YAML file.
func TestSecretsInFilesAndOperatorsAreTakenOverWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	issuer, dir, clerk, transmitter := authtest.Start(t), t.TempDir(), recordBearers(t), recordBearers(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(file(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := func(operator, more string) string {
		return fmt.Sprintf(`
issuers: [{url: %[1]q, secret_key_file: %[2]q, api_url: %[3]q}]
operator_subjects: [%[4]q]
clerk_webhook_secret_file: %[5]q
feed_secret_file: %[6]q
signals: [{name: events, kind: security_events, audiences: [here], poll_url: %[7]q, client_secret_file: %[8]q}]
%[9]s`, issuer.URL(), file("key"), clerk.URL, operator, file("webhook"), file("feed"), transmitter.URL, file("client"), more)
	}
	oldHook, newHook := "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32))), "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 32)))
	oldFeed, newFeed := strings.Repeat("o", 32), strings.Repeat("n", 32)
	write("ostiary.yaml", settings("user_old", ""))
	write("key", "sk_test_old")
	write("webhook", oldHook)
	write("feed", oldFeed)
	write("client", "client-old")
	write("follow", strings.Repeat("w", 32))
	p := startPiped(t, "serve", "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--config", file("ostiary.yaml"))
	p.awaitReady(t)
	relay := startPiped(t, serveAnywhere(issuer, "--follow", p.url, "--follow-secret-file", file("follow"))...)

	want := func(what string, status int, req *http.Request) {
		t.Helper()
		if got, _, err := do(patient, req); err != nil || got != status {
			t.Errorf("%s: status %d, %v; want %d", what, got, err, status)
		}
	}
	list := func(subject string) *http.Request {
		token := issuer.Session(subject, authtest.ExpiresIn(time.Hour))
		return apiRequest(t.Context(), p.url, revocationv1connect.RevocationServiceListRevocationsProcedure, token, "{}")
	}
	signOut := func(session string) *http.Request {
		token := issuer.Session("user_ada", authtest.With("sid", session), authtest.ExpiresIn(time.Hour))
		return apiRequest(t.Context(), p.url, sessionv1connect.SessionServiceRevokeSessionProcedure, token, `{"currentSession":{}}`)
	}
	const ok, refused, forbidden = http.StatusOK, http.StatusUnauthorized, http.StatusForbidden
	want("a webhook signed by the old secret", ok, webhookSignedBy(t.Context(), p.url, oldHook))
	want("a webhook signed by the new secret", refused, webhookSignedBy(t.Context(), p.url, newHook))
	want("the old operator", ok, list("user_old"))
	want("the new operator", forbidden, list("user_new"))
	want("who ends a session of its own", ok, signOut("sess_1"))
	clerk.await(t, "Clerk", "sk_test_old")
	transmitter.await(t, "the transmitter", "client-old")
	if code := get(t, relay.url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("a relay with a secret that the hub does not know is answered %d; want 503", code)
	}

	write("ostiary.yaml", settings("user_new", "request_timeout: 7s"))
	write("key", "sk_test_new")
	write("webhook", "")
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`level=ERROR msg="the settings were not taken over.*" fault="clerk_webhook_secret_file in .*`))
	want("with a file that is empty, the old secret", ok, webhookSignedBy(t.Context(), p.url, oldHook))
	want("with a file that is empty, the new operator", forbidden, list("user_new"))

	write("webhook", newHook)
	write("feed", newFeed)
	write("client", "client-new")
	p.hangUp(t)
	p.await(t, regexp.MustCompile(`msg="the settings were read again"`))
	p.await(t, regexp.MustCompile(`level=WARN msg="a setting has changed that is taken over only by a restart" setting=request_timeout`))
	want("afterwards, a webhook signed by the old secret", refused, webhookSignedBy(t.Context(), p.url, oldHook))
	want("afterwards, a webhook signed by the new secret", ok, webhookSignedBy(t.Context(), p.url, newHook))
	want("afterwards, the old operator", forbidden, list("user_old"))
	want("afterwards, the new operator", ok, list("user_new"))
	want("afterwards, who ends a session of its own", ok, signOut("sess_2"))
	clerk.await(t, "Clerk", "sk_test_new")
	transmitter.await(t, "the transmitter", "client-new")
	write("follow", newFeed)
	relay.hangUp(t)
	relay.awaitReady(t)
	relay.stop(t)
	p.stop(t)
}
