package feed

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// A Follower is a copy of a hub's revocations that follows the hub. It implements
// auth.Revocations, and auth.Observer for a service whose sessions and decisions the hub is
// to show. It is safe for concurrent use.
type Follower struct {
	config   Config
	client   *http.Client
	instance string
	list     *revocation.List
	now      func() reading
	jitter   func(limit time.Duration) time.Duration
	refusing atomic.Bool // calls with REVOCATIONS_STALE
	seen     *seen
	decided  decided

	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	state    state
	reported reported
	unsaved  bool   // the copy has changed since the snapshot was written
	stored   string // the position to store with the copy

	unreported          int64                           // as in Status
	unreportedDecisions int64                           // as in Status
	confirmed           string                          // the position that was reported to the present hub
	reporting           feedv1connect.FeedServiceClient // of the present connection; nil while there is none

	disconnect context.CancelCauseFunc // ends the connection to a hub; nil while there is none
	watchers   map[*func()]struct{}
	news       chan struct{} // closed when WaitReady should look again
	added      chan struct{} // has a value when there may be something to confirm
}

// Follow begins to follow. It reads the snapshot, if there is one, and does not wait for
// a hub: WaitReady does. The error names everything that is wrong with the configuration.
// Close the Follower when nothing is served any more.
func Follow(config Config) (*Follower, error) {
	return follow(config, systemClock(), mathrand.N[time.Duration])
}

func follow(config Config, now func() reading, jitter func(time.Duration) time.Duration) (*Follower, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("feed.Follow: %w", err)
	}
	f := &Follower{
		config:   config,
		client:   newClient(config.Transport),
		instance: newInstance(),
		list:     revocation.New(revocation.Config{Now: func() time.Time { return now().wall }}),
		now:      now,
		jitter:   jitter,
		seen:     newSeen(),
		watchers: make(map[*func()]struct{}),
		news:     make(chan struct{}),
		added:    make(chan struct{}, 1),
	}
	f.state.started, f.state.progress = now(), now()
	if err := f.loadSnapshot(); err != nil {
		return nil, fmt.Errorf("feed.Follow: %w", err)
	}
	f.evaluate()
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.running.Go(func() { f.follow(ctx) })
	f.running.Go(func() { f.watchClock(ctx) })
	f.running.Go(func() { f.report(ctx) })
	if config.Snapshot != "" {
		f.running.Go(func() { f.keepSnapshot(ctx) })
	}
	return f, nil
}

// newClient returns a client that does not follow redirects.
func newClient(transport http.RoundTripper) *http.Client {
	client := &http.Client{CheckRedirect: connectauth.RefuseRedirects, Transport: transport}
	if transport == nil {
		client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10}
	}
	return client
}

// newInstance returns a name that no other follower has.
func newInstance() string {
	host, err := os.Hostname()
	if err != nil || slices.ContainsFunc([]rune(host), invisible) {
		host = ""
	}
	return cmp.Or(host[:min(len(host), 200)], "instance") + "-" + rand.Text()[:10]
}

// Close reports what was not reported yet, for two seconds at most, ends the following,
// writes the snapshot and returns when nothing runs any more.
// The copy stays in use, and is not judged by its age any more. It may be called more than
// once, and always returns nil.
func (f *Follower) Close() error {
	f.reportLast()
	f.cancel()
	f.running.Wait()
	f.client.CloseIdleConnections()
	return nil
}

// Revoked returns an *auth.Error with the reason TOKEN_REVOKED if the token of the
// identity is revoked, as of [revocation.List.Revoked]. It returns one with
// REVOCATIONS_STALE while the copy has not caught up yet, and where Config.RefuseStale is
// set also while it is too old. It costs as much as the list and a load of one word.
func (f *Follower) Revoked(id *auth.Identity) error {
	if err := f.list.Revoked(id); err != nil {
		return err
	}
	if f.refusing.Load() {
		return f.refusal()
	}
	return nil
}

func (f *Follower) refusal() error {
	status := f.Status()
	if !status.Ready {
		return auth.Errorf(auth.RevocationsStale, "the copy of revocations has not caught up with a hub since the start: %s", cmp.Or(status.LastError, "it is still being read"))
	}
	return auth.Errorf(auth.RevocationsStale, "the copy of revocations is too old, its age is %v: %s", status.Age.Round(time.Second), cmp.Or(status.LastError, "no hub has answered"))
}

// Watch implements auth.Revocations. changed is called after revocations were added,
// and when calls begin or cease to be refused with REVOCATIONS_STALE. It must be quick and
// safe for concurrent use. A call may still be running when stop returns. Calling stop
// again does nothing.
func (f *Follower) Watch(changed func()) (stop func()) {
	stopList := f.list.Watch(changed)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers[&changed] = struct{}{}
	return func() {
		stopList()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, &changed)
	}
}

// notify calls the watchers without the lock, so that they may ask and stop.
func (f *Follower) notify() {
	f.mu.Lock()
	calls := slices.Collect(maps.Keys(f.watchers))
	f.mu.Unlock()
	for _, changed := range calls {
		(*changed)()
	}
}
