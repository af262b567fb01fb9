package authtest_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestDiscoveryLeadsToTheKeys(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	for _, path := range []string{authtest.DiscoveryPath, authtest.MetadataPath} {
		got, err := get(t, iss.URL()+path)
		if err != nil {
			t.Fatal(err)
		}
		var metadata struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := json.Unmarshal([]byte(got.body), &metadata); err != nil {
			t.Fatal(err)
		}
		if metadata.Issuer != iss.URL() || metadata.JWKSURI != iss.JWKSURL() {
			t.Errorf("%s: %+v", path, metadata)
		}
		if got := iss.Requests(path); got != 1 {
			t.Errorf("%s: %d requests were counted, want 1", path, got)
		}
	}
	if got := iss.Fetches(); got != 0 {
		t.Errorf("%d fetches of the key set were counted, want 0", got)
	}
}

func TestAnIssuerMayEndInASlash(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://tenant.example.com/")
	if got, want := iss.JWKSURL(), "https://tenant.example.com/.well-known/jwks.json"; got != want {
		t.Errorf("JWKSURL %s, want %s", got, want)
	}
	if _, claims := decode(t, iss.OIDC("ada")); claims["iss"] != "https://tenant.example.com/" {
		t.Errorf("iss %v", claims["iss"])
	}
}

func TestAnUnchangedKeySetIsNotSentAgain(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	iss.SetCacheControl("public, max-age=60")
	first, err := get(t, iss.JWKSURL())
	if err != nil {
		t.Fatal(err)
	}
	if got := first.header.Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("Cache-Control %q", got)
	}
	known := http.Header{"If-None-Match": {first.header.Get("ETag")}}
	for _, want := range []int{http.StatusNotModified, http.StatusOK} {
		got, err := send(t.Context(), client(t), http.MethodGet, iss.JWKSURL(), known)
		if err != nil {
			t.Fatal(err)
		}
		if got.status != want {
			t.Errorf("status %d, want %d", got.status, want)
		}
		iss.RotateKey()
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	got, err := get(t, iss.URL()+"/")
	if err != nil || got.status != http.StatusNotFound {
		t.Errorf("status %d, want 404: %v", got.status, err)
	}
	got, err = send(t.Context(), client(t), http.MethodPost, iss.JWKSURL(), nil)
	if err != nil || got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("status %d, Allow %q: %v", got.status, got.header.Get("Allow"), err)
	}
}

func TestAnIssuerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	client := client(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			key := iss.RotateKey()
			_ = iss.Session("user_ada", authtest.Algorithm("ES256"))
			if _, err := send(t.Context(), client, http.MethodGet, iss.JWKSURL(), nil); err != nil {
				t.Error(err)
			}
			iss.RemoveKey(key.ID())
		})
	}
	group.Wait()
	if got := iss.Fetches(); got != 8 {
		t.Errorf("%d fetches were counted, want 8", got)
	}
}
