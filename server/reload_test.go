package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/settings"
)

// needsPermission is a rule that the users of these tests do not meet.
func needsPermission(procedure string) policy.Option {
	return policy.Configured("ostiary.yaml", procedure, &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllPermissions: []string{"org:notes:read"}}}})
}

// reload has the server take over the edited settings.
func (r *running) reload(t *testing.T, edits ...func(*settings.Config)) {
	t.Helper()
	config := r.config
	for _, edit := range edits {
		edit(&config)
	}
	if err := r.Reload(config); err != nil {
		t.Fatal(err)
	}
}

func TestRulesChangeWhileCallsAreDecided(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada")
	over := make(chan struct{})
	var calling sync.WaitGroup
	for range 4 {
		calling.Go(func() {
			client := r.identityClient(t, token)
			for {
				select {
				case <-over:
					return
				default:
				}
				_, err := client.WhoAmI(t.Context(), new(identityv1.WhoAmIRequest))
				if reason, refused := reasonOf(err); err != nil && (!refused || reason != auth.PermissionRequired) {
					t.Errorf("a call is answered with %v; want none or %v", err, auth.PermissionRequired)
				}
			}
		})
	}
	strict := func(c *settings.Config) {
		c.Rules = []policy.Option{needsPermission(identityv1.IdentityService_WhoAmI_FullMethodName)}
	}
	client, digests := endpoint{url: r.url}.access(t, token), make(map[string]bool)
	for range 10 {
		for _, edits := range [][]func(*settings.Config){{strict}, nil} {
			r.reload(t, edits...)
			_, err := r.identityClient(t, token).WhoAmI(t.Context(), new(identityv1.WhoAmIRequest))
			if _, refused := reasonOf(err); refused != (edits != nil) {
				t.Errorf("with %d edits a call is answered with %v", len(edits), err)
			}
			listed, err := client.ListMethodRules(t.Context(), new(accessv1.ListMethodRulesRequest))
			if err != nil {
				t.Fatal(err)
			}
			digests[listed.GetPolicyDigest()] = true
		}
	}
	close(over)
	calling.Wait()
	if len(digests) != 2 {
		t.Errorf("two sets of rules have %d digests", len(digests))
	}
}

func TestAnOpenStreamIsDecidedByNewRulesWithItsNextToken(t *testing.T) {
	t.Parallel()
	r := start(t)
	session := authtest.With("sid", "sess_1")
	stream, err := r.identityClient(t, r.issuer.Session("user_ada", session)).WatchIdentity(t.Context(), new(identityv1.WatchIdentityRequest))
	if err != nil || !stream.Receive() {
		t.Fatalf("no first message: %v", errors.Join(err, stream.Err()))
	}
	r.reload(t, func(c *settings.Config) {
		c.Rules = []policy.Option{needsPermission(identityv1.IdentityService_WatchIdentity_FullMethodName)}
	})
	next := r.issuer.Session("user_ada", session, authtest.IssuedAt(time.Now().Add(time.Second)))
	if _, err := r.identityClient(t, next).WhoAmI(t.Context(), new(identityv1.WhoAmIRequest)); err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	if reason, _ := reasonOf(stream.Err()); reason != auth.PermissionRequired {
		t.Errorf("the stream ended with %v; want %v", stream.Err(), auth.PermissionRequired)
	}
}

func TestSettingsAtFaultChangeNothing(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	c := r.config
	c.FeedSecret = nil
	c.Rules = []policy.Option{needsPermission("/ostiary.identity.v1.IdentityService/Nothing")}
	var wrong *settings.Error
	if err := r.Reload(c); !errors.As(err, &wrong) {
		t.Errorf("Reload returned %v; want an Error", err)
	}
	r.followerWith(t, secretOfFeed) // still counts
}

func TestThePublishedScopesAreThoseOfTheNewRules(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.ResourceURL = "https://api.example.com" })
	published := func() string {
		_, _, body := r.send(t, http.MethodGet, httpauth.MetadataPath, nil, "")
		return body
	}
	if body := published(); strings.Contains(body, "notes.read") {
		t.Fatalf("before there is such a rule, %s is published", body)
	}
	r.reload(t, func(c *settings.Config) {
		c.Rules = []policy.Option{policy.Configured("ostiary.yaml", identityv1.IdentityService_WhoAmI_FullMethodName,
			&policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllScopes: []string{"notes.read"}}}})}
	})
	if body := published(); !strings.Contains(body, `"notes.read"`) {
		t.Errorf("%s is published; want the scope notes.read", body)
	}
}

// The transmitter sends the secret that it was given.
func TestASecretThatTheTransmitterHasNeedsARestart(t *testing.T) {
	t.Parallel()
	r := start(t, withStream(settings.StreamPush, settings.SignalSource{Transmitter: "https://transmitter.invalid", Secrets: []string{"the-secret-of-before"}}))
	r.reload(t)
	const want = "setting=signals.idp.secrets"
	if logged := r.log.String(); strings.Contains(logged, want) {
		t.Errorf("nothing has changed, and the log has %s", logged)
	}
	r.reload(t, func(c *settings.Config) {
		c.Signals = slices.Clone(c.Signals)
		c.Signals[0].Secrets = []string{"the-secret-of-after"}
	})
	if logged := r.log.String(); !strings.Contains(logged, want) {
		t.Errorf("the log has %s; want %s", logged, want)
	}
}

// Who is connected is known by the identity of the secret.
func TestASecretThatStaysKeepsItsIdentity(t *testing.T) {
	t.Parallel()
	r := start(t, withFeed)
	before := r.followerWith(t, secretOfFeed)
	const another = "another-secret-of-at-least-32-bytes"
	r.reload(t, func(c *settings.Config) { c.FeedSecret = append([]string{another}, c.FeedSecret...) })
	if after := r.followerWith(t, secretOfFeed); after != before {
		t.Errorf("%v after %v; want the same", after, before)
	}
	if added := r.followerWith(t, another); added == before {
		t.Errorf("%v for both; want one each", added)
	}
}
