package devissuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/server/devissuer"
)

// keys returns what an issuer publishes.
func keys(t *testing.T, issuer *devissuer.Issuer) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "http://localhost:8080/.well-known/jwks.json", http.NoBody)
	request.RemoteAddr = "127.0.0.1:5000"
	recorder := httptest.NewRecorder()
	issuer.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), `"kid"`) {
		t.Fatalf("%d %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func openIssuer(t *testing.T, keyFile string) *devissuer.Issuer {
	t.Helper()
	issuer, err := devissuer.Open("http://localhost:8080", keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func TestTheKeyOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key.pem")
	first := keys(t, openIssuer(t, file))
	if second := keys(t, openIssuer(t, file)); second != first {
		t.Errorf("the second issuer publishes\n%s\nwant\n%s", second, first)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, error %v; want a file for its owner alone", info.Mode(), err)
	}
	if other := keys(t, openIssuer(t, filepath.Join(t.TempDir(), "key.pem"))); other == first {
		t.Error("another file holds the same key")
	}
}

func TestIssuersThatStartAtOnceShareTheKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "key.pem")
	published := make([]string, 4)
	var wg sync.WaitGroup
	for i := range published {
		wg.Go(func() {
			issuer, err := devissuer.Open("http://localhost:8080", file)
			if err != nil {
				t.Error(err)
				return
			}
			published[i] = keys(t, issuer)
		})
	}
	wg.Wait()
	for _, p := range published {
		if p != published[0] {
			t.Errorf("one publishes\n%s\nanother\n%s", p, published[0])
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, error %v; want nothing but the key", left, err)
	}
}

func TestAKeyFileThatCannotBeUsedIsNamedAndItsContentIsNot(t *testing.T) {
	t.Parallel()
	encode := func(key any, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	good := encode(rsa.GenerateKey(rand.Reader, 2048))
	for name, test := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    string
	}{
		"one that others can read":   {good, 0o644, "can be read by others (mode 0644): run chmod 600 on it, or delete it for a new key"},
		"one that is empty":          {nil, 0o600, "does not hold a usable key: delete it for a new one"},
		"one that was cut short":     {good[:len(good)/2], 0o600, "does not hold a usable key: delete it for a new one"},
		"one with something behind":  {append(bytes.Clone(good), "hunter2"...), 0o600, "does not hold a usable key: delete it for a new one"},
		"one with a key that is bad": {[]byte("-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n"), 0o600, "does not hold a usable key: delete it for a new one"},
		"one with an elliptic key":   {encode(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), 0o600, "does not hold a usable key: delete it for a new one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(file, test.content, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := devissuer.Open("http://localhost:8080", file)
			if want := "key of the development issuer: " + file + " " + test.want; err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
		})
	}
}
