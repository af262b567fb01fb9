package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAccepts(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"gzip":                     true,
		"GZIP":                     true,
		"br, gzip":                 true,
		"gzip;q=1":                 true,
		"gzip;q=1.000":             true,
		"gzip ; q = 0.001":         true,
		"deflate;q=0, gzip;Q=0.5":  true,
		"gzip;level=9;q=0.1":       true,
		"gzip;level=9":             true,
		"":                         false,
		"br":                       false,
		"xgzip":                    false,
		"*":                        false,
		"gzip;q=0":                 false,
		"gzip;q=0.0":               false,
		"gzip;q=0.000":             false,
		"gzip; Q=0":                false,
		"gzip;level=9;q=0":         false,
		"gzip;q=":                  false,
		"gzip;q=much":              false,
		"gzip;q=-1":                false,
		"br;q=1, gzip;q=0, gzip":   false,
		"identity;q=1, gzip;q=0.0": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept-Encoding", header)
		if got := accepts(r, "Accept-Encoding", "gzip"); got != want {
			t.Errorf("%q: %v; want %v", header, got, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header["Accept-Encoding"] = []string{"br", "gzip"} // two fields are one list
	if !accepts(r, "Accept-Encoding", "gzip") {
		t.Error("the second of two fields is not read")
	}
}
