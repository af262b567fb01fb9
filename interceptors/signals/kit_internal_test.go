package signals

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// secret is the one of the test vectors that Svix publishes.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// svix are the names of the headers that Clerk sends, and standard those of Standard Webhooks.
var (
	svix     = [...]string{"svix-id", "svix-timestamp", "svix-signature"}
	standard = [...]string{"webhook-id", "webhook-timestamp", "webhook-signature"}
)

// headers are those of a message.
func headers(names [3]string, id string, timestamp int64, signatures string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	for i, value := range []string{id, strconv.FormatInt(timestamp, 10), signatures} {
		h.Set(names[i], value)
	}
	return h
}

// sign returns the headers of a message that the secret has signed now.
func sign(names [3]string, id, body string) http.Header {
	return headers(names, id, now.Unix(), "v1,"+hmacOf(id, now.Unix(), body))
}

func hmacOf(id string, timestamp int64, body string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(timestamp, 10) + "." + body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post sends a message.
func post(tb testing.TB, receiver http.Handler, header http.Header, body string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/signals/test", strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	receiver.ServeHTTP(w, r)
	return w
}

// A recorder is a Sink that keeps what it was given.
type recorder struct {
	mu       sync.Mutex
	messages []Message
}

func (r *recorder) Revoke(_ context.Context, message Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
	return nil
}

func clock() time.Time { return now }
