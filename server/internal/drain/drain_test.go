package drain

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestOnlyTheDrainClosesConnections(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := New()
			protocols := new(http.Protocols)
			protocols.SetHTTP1(!http2)
			protocols.SetUnencryptedHTTP2(http2)
			server := httptest.NewUnstartedServer(d.middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			server.Config.Protocols = protocols
			server.Start()
			defer server.Close()
			transport := &http.Transport{Protocols: protocols}
			defer transport.CloseIdleConnections()
			closes := func() bool {
				res, err := (&http.Client{Transport: transport}).Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				return res.Close || res.Header.Get("Connection") != ""
			}
			if d.HasBegun() || closes() {
				t.Error("a connection is closed before the drain has begun")
			}
			d.Begin()
			d.Begin() // to no effect
			<-d.Begun()
			if got, want := closes(), !http2; got != want {
				t.Errorf("during the drain, the answer says that the connection is closed: %v; want %v", got, want)
			}
		})
	}
}
