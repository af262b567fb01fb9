package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// What is known of an issuer is offered at once, also while the issuer is asked again.
func TestOnlyWhatIsNotKnownIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		document, problem := `{"authorization_endpoint":"https://a.example/auth","token_endpoint":"https://a.example/one"}`, error(nil)
		s := newSignIns(Config{
			Issuers: []Issuer{{URL: "https://a.example", Discover: func(context.Context) (json.RawMessage, error) {
				<-time.After(2 * time.Second)
				return json.RawMessage(document), problem
			}}},
			Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		load := func(wait time.Duration, endpoint string) {
			t.Helper()
			begun := time.Now()
			offered := s.offered(t.Context())[0]
			if took := time.Since(begun); took != wait {
				t.Errorf("the page waits for %v; want %v", took, wait)
			}
			if offered.Metadata == nil || offered.Metadata.TokenEndpoint != endpoint {
				t.Errorf("offered %+v; want %s", offered.Metadata, endpoint)
			}
			<-time.After(retryDiscovery) // by then the issuer has answered
			synctest.Wait()
		}
		load(2*time.Second, "https://a.example/one")
		document = `{"authorization_endpoint":"https://a.example/auth","token_endpoint":"https://a.example/two"}`
		<-time.After(renewDiscovery)
		load(0, "https://a.example/one")
		load(0, "https://a.example/two")
		problem = errors.New("away")
		<-time.After(renewDiscovery)
		for range 3 {
			load(0, "https://a.example/two")
			<-time.After(retryDiscovery)
		}
	})
}
