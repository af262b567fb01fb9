package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

// A command that does not know the authority of the server's certificate says how to name it.
func TestACertificateByAnUnknownAuthorityIsSaidToBe(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	c := Caller{server: server.URL, persona: "ada", Output: "table"}
	err := c.With(func(clients Clients) error {
		_, err := clients.Sessions.ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), server.URL) || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("%v; want the server, and the remedy SSL_CERT_FILE", err)
	}
}
