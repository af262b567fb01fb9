package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ostiary/ostiary/server/settings"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	says := map[string]int{"/ready": http.StatusOK, "/not": http.StatusServiceUnavailable, "/elsewhere": http.StatusNotFound}
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(says[r.URL.Path])
		_, _ = w.Write([]byte("what it says\n"))
	}))
	defer asked.Close()
	for path, status := range map[string]int{"/ready": 0, "/not": 1, "/elsewhere": 1} {
		var out bytes.Buffer
		err := probe(t.Context(), &out, asked.URL+path)
		if exitStatus(err) != status || out.String() != "what it says\n" {
			t.Errorf("%s: exit status %d, want %d; printed %q", path, exitStatus(err), status, out.String())
		}
	}
}

func TestProbed(t *testing.T) {
	t.Parallel()
	for listens, want := range map[string]string{
		"": settings.DefaultAdminAddr, "127.0.0.1:9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1",
		"[::1]:1": "[::1]:1", "10.0.0.7:1": "10.0.0.7:1", settings.AdminNone: "",
	} {
		if got, err := probed(listens); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", listens, got, err, want)
		}
	}
}
