//go:build linux

package processtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/feed"
)

const (
	feedSecret  = "0123456789abcdef0123456789abcdef"
	clerkSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// soak is a server under load.
type soak struct {
	*piped

	issuer      *authtest.Issuer
	dir         string // of the certificate
	http, admin string
	key         atomic.Pointer[authtest.Key] // that the issuer signs with
	old, next   *authtest.Key                // that it has signed with, and will
	loaded      atomic.Bool                  // while there is load
	first       *reading
	names       atomic.Int64

	mu       sync.Mutex
	outcomes map[string]int // of all calls, streams and messages
	pool     map[int]string // tokens of users who call again and again
}

// soakOutcomes are those that a load has at least once.
func soakOutcomes() []string {
	wants := []string{
		"call TOKEN_EXPIRED", "call SIGNATURE_INVALID", "call TOKEN_MALFORMED", "call TOKEN_MISSING", "call TOKEN_REVOKED", "call KEY_UNKNOWN",
		"stream TOKEN_EXPIRED", "stream TOKEN_REVOKED", "stream Canceled", "stream TOO_MANY_STREAMS", "stream whose client died",
		"webhook 200", "follower ready", "probe 200", "scrape 200", "preflight 204", "page 404",
	}
	for _, protocol := range soakProtocols {
		wants = append(wants, protocol+" OK")
	}
	return wants
}

func (s *soak) count(what, outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[what+" "+outcome]++
}

// load keeps the load for so long, and returns when all calls and streams have ended.
func (s *soak) load(t *testing.T, lasts time.Duration) {
	t.Helper()
	s.loaded.Store(true)
	ctx, over := context.WithTimeout(t.Context(), lasts)
	defer over()
	var all sync.WaitGroup
	every := func(pause time.Duration, do func(ctx context.Context)) {
		all.Go(func() {
			pace := time.NewTicker(pause)
			defer pace.Stop()
			for {
				select {
				case <-pace.C:
					do(t.Context())
				case <-ctx.Done():
					return
				}
			}
		})
	}
	var clients []*soakClient
	for _, protocol := range soakProtocols {
		client := s.client(protocol)
		clients = append(clients, client)
		every(50*time.Millisecond, func(ctx context.Context) { s.call(ctx, protocol, client) })
		every(time.Second, func(ctx context.Context) { all.Go(func() { s.stream(ctx, protocol, client) }) })
	}
	every(700*time.Millisecond, func(ctx context.Context) { s.post(ctx, s.revocation("sess_"+s.name())) })
	every(500*time.Millisecond, s.probe)
	every(3*time.Second, s.follow)
	every(2*time.Second, func(context.Context) { s.hangUp(t) })
	every(3*time.Second, func(context.Context) {
		writePair(t, s.dir, time.Now().Add(time.Hour+time.Duration(s.names.Add(1))*time.Second))
	})
	every(8*time.Second, s.rotate)
	every(7*time.Second, s.outage)
	all.Wait()
	for _, client := range clients {
		client.close()
	}
	s.loaded.Store(false)
}

func (s *soak) name() string { return strconv.FormatInt(s.names.Add(1), 10) }

// address is one that calls through a proxy.
func address() string {
	return fmt.Sprintf("198.%d.%d.%d", 18+rand.IntN(2), rand.IntN(256), rand.IntN(256))
}

// sign makes a token that lives for so long, of a session of its own unless edits say otherwise.
func (s *soak) sign(lives time.Duration, edits ...authtest.Edit) string {
	name := s.name()
	return s.issuer.Session("user_"+name, append([]authtest.Edit{
		authtest.SignedBy(s.key.Load()), authtest.With("sid", "sess_"+name), authtest.ExpiresIn(lives),
	}, edits...)...)
}

// call makes a call, by any kind of caller.
func (s *soak) call(ctx context.Context, protocol string, client *soakClient) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	var token string
	switch kind := rand.IntN(20); kind {
	case 0:
	case 1:
		token = "a.b." + s.name()
	case 2, 3:
		token = s.sign(time.Minute, authtest.IssuedAt(time.Now().Add(-time.Hour)), long)
	case 4, 5:
		token = s.sign(time.Minute, authtest.SignedBy(strange.WithID(s.key.Load().ID())), long)
	case 6:
		token = s.sign(time.Minute, authtest.SignedBy(strange.WithID("ins_"+s.name())), long)
	case 7:
		token = s.sign(time.Minute)
		s.count(protocol, outcomeOf(client.revoke(withCaller(ctx, token, address()))))
	default:
		token = s.again(rand.IntN(50))
	}
	outcome := outcomeOf(client.whoAmI(withCaller(ctx, token, address())))
	if outcome == "OK" {
		s.count(protocol, outcome)
	} else {
		s.count("call", outcome)
	}
}

// long makes a token so long that one notices where it is kept.
var long = authtest.With("note", strings.Repeat("long ", 800))

// strange is the key of a forger.
var strange = authtest.NewKey("EdDSA")

// again returns the token of a user who has called before, if the key is the same.
func (s *soak) again(user int) string {
	s.mu.Lock()
	token := s.pool[user]
	s.mu.Unlock()
	if token == "" {
		token = s.sign(time.Hour, authtest.With("sub", fmt.Sprintf("user_again_%d", user)), authtest.With("sid", fmt.Sprintf("sess_again_%d", user)))
		s.mu.Lock()
		s.pool[user] = token
		s.mu.Unlock()
	}
	return token
}

// stream opens a stream that ends in one of many ways.
func (s *soak) stream(ctx context.Context, protocol string, client *soakClient) {
	ctx, cancel := context.WithTimeout(ctx, 2*serverTimeout)
	defer cancel()
	name := s.name()
	lives, subject := 2*serverTimeout, "user_"+name
	kind := rand.IntN(5)
	switch kind {
	case 0: // ends by expiry
		lives = 3 * time.Second
	case 1: // of one who has too many
		lives, subject = 5*time.Second, "user_crowd"
		var others sync.WaitGroup
		defer others.Wait()
		for range 3 {
			others.Go(func() { s.open(ctx, client, s.sign(lives, authtest.With("sub", subject)), func() {}) })
		}
	case 2: // whose client dies
		client = s.client(protocol)
		defer client.close()
	}
	token := s.sign(lives, authtest.With("sub", subject), authtest.With("sid", "sess_"+name))
	died := false
	outcome := s.open(ctx, client, token, func() {
		switch kind {
		case 2:
			died = true
			client.die()
		case 3:
			if rand.IntN(2) == 0 {
				s.post(ctx, s.revocation("sess_"+name))
			} else {
				s.count("revocation", outcomeOf(client.revoke(withCaller(ctx, token, address()))))
			}
		case 4:
			cancel()
		}
	})
	if died {
		outcome = "whose client died"
	}
	s.count("stream", outcome)
}

// open opens a stream, and returns how it ends; opened is called once the server has sent
// something.
func (s *soak) open(ctx context.Context, client *soakClient, token string, opened func()) string {
	recv, err := client.watch(withCaller(ctx, token, address()))
	for n := 0; err == nil; n++ {
		if err = recv(); err == nil && n == 0 {
			opened()
		}
	}
	return outcomeOf(err)
}

// once asks once, over a connection of its own.
func (s *soak) once(ctx context.Context, method, url, body string, header http.Header) string {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header = header
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	code, _, err := do(client, req)
	if err != nil {
		return "failed"
	}
	return strconv.Itoa(code)
}

// probe asks what probes, Prometheus, browsers and scanners do.
func (s *soak) probe(ctx context.Context) {
	s.count("probe", s.once(ctx, http.MethodGet, "https://"+s.http+"/readyz", "", http.Header{}))
	s.count("probe", s.once(ctx, http.MethodGet, s.admin+"/livez", "", http.Header{}))
	s.count("scrape", s.once(ctx, http.MethodGet, s.admin+"/metrics", "", http.Header{}))
	s.count("page", s.once(ctx, http.MethodGet, "https://"+s.http+"/admin-"+s.name()+".php", "", http.Header{"X-Forwarded-For": {address()}}))
	s.count("preflight", s.once(ctx, http.MethodOptions, "https://"+s.http+"/ostiary.identity.v1.IdentityService/WhoAmI", "",
		http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}))
	s.once(ctx, http.MethodGet, "http://"+s.http+"/", "", http.Header{}) // no TLS
}

// revocation is what Clerk sends when a session has ended.
func (s *soak) revocation(session string) string {
	return fmt.Sprintf(`{"data":{"object":"session","id":%q,"status":"ended"},"object":"event","timestamp":%d,"type":"session.ended"}`, session, time.Now().UnixMilli())
}

// post sends a webhook as Clerk does.
func (s *soak) post(ctx context.Context, body string) {
	secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(clerkSecret, "whsec_"))
	id, at := "msg_"+s.name(), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(id + "." + at + "." + body))
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set("svix-id", id)
	header.Set("svix-timestamp", at)
	header.Set("svix-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	s.count("webhook", s.once(ctx, http.MethodPost, "https://"+s.http+"/signals/clerk", body, header))
}

// follow has a service follow the server for a while.
func (s *soak) follow(ctx context.Context) {
	client := new(soakClient)
	defer client.close()
	follower, err := feed.Follow(feed.Config{
		Hubs: []string{"https://" + s.http}, TokenSource: authclient.StaticToken(feedSecret), Service: "billing",
		Transport: client.transport(), Retention: time.Hour, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.count("follower", err.Error())
		return
	}
	defer func() { _ = follower.Close() }()
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	if err := follower.WaitReady(ctx); err != nil {
		s.count("follower", err.Error())
		return
	}
	s.count("follower", "ready")
	<-time.After(2 * time.Second)
}

// rotate has the issuer sign with the key that it has published the last time, publish
// another, and forget the one that it had signed with before.
func (s *soak) rotate(context.Context) {
	next := authtest.NewKey("EdDSA")
	s.issuer.Publish(next)
	old := s.key.Swap(s.next)
	if s.old != nil {
		s.issuer.RemoveKey(s.old.ID())
	}
	s.old, s.next = old, next
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pool)
}

// outage has the issuer fail for a while, in one of the ways in which issuers do.
func (s *soak) outage(context.Context) {
	outages := []authtest.Outage{authtest.Refuse, authtest.Hang, authtest.Status(http.StatusInternalServerError), authtest.HTML, authtest.Truncated, authtest.EmptyKeys, authtest.TooLarge}
	s.issuer.Fail(outages[rand.IntN(len(outages))])
	<-time.After(2 * time.Second)
	s.issuer.Restore()
}
