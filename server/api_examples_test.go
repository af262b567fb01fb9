package server

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// Each request that docs/api.md shows for a method that destroys is one that it takes.
func TestTheRequestsInTheReferenceAreTaken(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, withOperator)
	var method string
	var shown []string
	within := false
	for line := range strings.Lines(string(document)) {
		line = strings.TrimSpace(line)
		if anchor, found := strings.CutPrefix(line, `#### <a id="`); found {
			method, _, _ = strings.Cut(anchor, `"`)
		}
		if strings.HasPrefix(line, "```") {
			within = line == "```json"
			continue
		}
		if !within {
			continue
		}
		dot := strings.LastIndexByte(method, '.')
		procedure := "/" + method[:dot] + "/" + method[dot+1:]
		shown = append(shown, procedure)
		body := strings.ReplaceAll(line, "https://clerk.example.com", r.issuer.URL())
		header := map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + r.issuer.Session("user_otto", authtest.With("sid", line))}
		if procedure == importProcedure {
			header["Content-Type"] = "application/connect+json"
			body = string([]byte{0, 0, 0, 0, byte(len(body))}) + body
		}
		if strings.Contains(line, "currentSubject") {
			header["Authorization"] = "Bearer " + r.issuer.Session("user_eve")
		}
		if status, _, answer := r.send(t, http.MethodPost, procedure, header, body); status != http.StatusOK || strings.Contains(answer, `"error"`) || strings.Contains(answer, "rejectedCount") {
			t.Errorf("%s with %s: %d %s", procedure, line, status, clip(answer))
		}
	}
	for _, procedure := range allDestroying {
		if !slices.Contains(shown, procedure) {
			t.Errorf("%s has no example", procedure)
		}
	}
}
