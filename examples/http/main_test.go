package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// start serves as main does, with an issuer of its own, and returns the server's URL.
func start(t *testing.T) (string, *authtest.Issuer) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer := authtest.Start(t)
	served := make(chan struct{})
	go func() {
		defer close(served)
		err := serve(listener, ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"})
		t.Log(err)
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-served
	})
	return "http://" + listener.Addr().String(), issuer
}

// get returns the status and the body of a download.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := new(http.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestTheDownloadIsTheCallers(t *testing.T) {
	t.Parallel()
	url, issuer := start(t)
	if status, body := get(t, url+"/export", issuer.Session("user_ada")); status != http.StatusOK || body != "the invoices of user_ada\n" {
		t.Errorf("ada gets %d %q; want her invoices", status, body)
	}
	if status, body := get(t, url+"/export", ""); status != http.StatusUnauthorized || !strings.Contains(body, `"reason":"TOKEN_MISSING"`) {
		t.Errorf("a stranger gets %d %q; want 401 and TOKEN_MISSING", status, body)
	}
}
