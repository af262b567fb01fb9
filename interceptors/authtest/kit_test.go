package authtest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func fixedNow() time.Time { return now }

// client returns a client whose connections do not outlive the test.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// An answer is a response that was read, as far as it went.
type answer struct {
	status int // 0 when there was none
	header http.Header
	body   string
}

func get(t *testing.T, url string) (answer, error) {
	t.Helper()
	return send(t.Context(), client(t), http.MethodGet, url, nil)
}

func send(ctx context.Context, client *http.Client, method, url string, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, header)
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}, err
}

// keySet fetches the published keys and reads them as jwx does.
func keySet(t *testing.T, url string) jwk.Set {
	t.Helper()
	got, err := get(t, url)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.ParseString(got.body)
	if err != nil {
		t.Fatalf("%v in %s", err, got.body)
	}
	return set
}

// verify checks the token's signature with jwx.
func verify(token string, set jwk.Set) error {
	_, err := jws.Verify([]byte(token), jws.WithKeySet(set))
	return err
}

// decode returns header and claims of a token, unverified.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
