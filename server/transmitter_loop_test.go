package server

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// place returns the last revocation that was made, and the last that was sent.
func (r *running) place(t *testing.T) (made, sent int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.config.DataDir, "ostiary.db")+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), `SELECT COALESCE(MAX(revocations.sequence), 0), MIN(streams.sequence) FROM streams LEFT JOIN revocations`).Scan(&made, &sent); err != nil {
		t.Fatal(err)
	}
	return made, sent
}

// Two servers that send each other what is revoked come to rest, also if an event takes
// longer than the times in it are exact.
func TestServersThatSendEachOtherEventsComeToRest(t *testing.T) {
	t.Parallel()
	var events atomic.Int64
	pair := make([]*running, 2)
	away := make([]*httptest.Server, 2) // where events for each are sent
	for i := range pair {
		away[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			events.Add(1)
			to, _ := url.Parse(pair[i].url)
			(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}).ServeHTTP(w, req)
		}))
		t.Cleanup(away[i].Close)
	}
	configs := make([]settings.Config, 2)
	for i := range configs {
		configs[i] = settings.Config{Issuers: make([]settings.Issuer, 1)}
		withTransmitter(&configs[i])
	}
	for i := range pair {
		other := configs[1-i].SignalsTransmitterURL
		pair[i] = start(t, withFeed, func(c *settings.Config) {
			c.HTTPListener, c.SignalsTransmitterURL, c.AllowPrivateReceivers = configs[i].HTTPListener, configs[i].SignalsTransmitterURL, true
			c.Now = func() time.Time { return time.Now().Add(3 * time.Second * time.Duration(events.Load())) }
			if i == 1 {
				c.Issuers = pair[0].config.Issuers
			}
			c.Signals = []settings.SignalSource{{Name: "other", Kind: settings.SignalEvents, Issuer: c.Issuers[0].URL, Transmitter: other, JWKSURL: other + "/ssf/jwks.json", Audiences: []string{"receiver"}}}
		})
	}
	pair[1].issuer = pair[0].issuer
	for i, r := range pair {
		body := fmt.Sprintf(`{"aud": "receiver", "delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": %q}}`, away[1-i].URL+"/signals/other")
		if status, _, answered := r.send(t, http.MethodPost, "/ssf/stream", map[string]string{"Authorization": "Bearer " + secretOfFeed}, body); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answered)
		}
	}
	revocation := &revocationv1.NewRevocation{
		Target: targetMessage(store.Target{Kind: "subject", Issuer: pair[0].issuer.URL(), Value: "user_ada"}),
		Extent: issuedBefore(time.Now().Add(-time.Hour)),
	}
	if _, err := pair[0].revocations(t, pair[0].issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{revocation}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other has revoked it, too", func() bool {
		made, _ := pair[1].place(t)
		return made > 0
	})
	// An event is durable at one before it has been sent by the other: so if both have sent
	// everything, and nothing has come meanwhile, nothing is on its way.
	eventually(t, "both are at rest", func() bool {
		before, sent := pair[0].place(t)
		made, theirs := pair[1].place(t)
		after, _ := pair[0].place(t)
		return before == sent && made == theirs && before == after
	})
	for i, r := range pair {
		if made, _ := r.place(t); made > 2 {
			t.Errorf("server %d has made %d revocations of one", i, made)
		}
	}
}
