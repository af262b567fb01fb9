package issuer

import (
	"bytes"
	"io"
	"net/http"
)

// JWKSURL is where key sets that fetch are told to fetch.
const JWKSURL = URL + "/.well-known/jwks.json"

// Client returns an HTTP client that answers every request with the key set,
// from memory: libraries that insist on fetching do so without a network.
func (t Trust) Client() *http.Client { return &http.Client{Transport: memory(t.JWKS)} }

type memory []byte

func (m memory) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewReader(m)),
		Request:    request,
	}, nil
}
