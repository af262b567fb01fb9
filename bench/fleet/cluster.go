package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/rpc"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/internal/fleet"
	"github.com/ostiary/ostiary/internal/pgserver"
)

const (
	operator = "user_operator"
	// subject is whose sessions are revoked.
	subject = "user_ada"
	workers = 4
)

// A cluster are the processes that are measured.
type cluster struct {
	issuer   *authtest.Issuer
	postgres *pgserver.Server
	hubs     []*hub
	workers  []*rpc.Client

	folder  string
	secret  string
	program string
	token   string // the operator's
	closers []io.Closer
	cancel  context.CancelFunc

	mu     sync.Mutex
	made   int      // names of sessions
	acked  []string // all whose revocation was acknowledged
	shared int      // so many of them the workers know
}

// A hub is a server with all that lies between it and others.
type hub struct {
	fleet.Hub
	client    revocationv1connect.RevocationServiceClient
	databases [2]*proxy // to the primary and to its standby, in any order
	front     *proxy    // to the hub itself
}

// newCluster starts so many hubs on a PostgreSQL whose commits wait for the disk.
func newCluster(ctx context.Context, o options, hubs int) (*cluster, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &cluster{program: o.program, cancel: cancel, secret: rand.Text() + rand.Text()}
	if err := c.start(ctx, hubs); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, hubs int) error {
	var err error
	if c.folder, err = os.MkdirTemp("", "ostiary-fleet-"); err != nil {
		return err
	}
	if c.postgres, err = pgserver.Start(ctx, "fsync = on", "full_page_writes = on"); err != nil {
		return err
	}
	address, err := c.postgres.NewDatabase(ctx)
	if err != nil {
		return err
	}
	database, err := url.Parse(address)
	if err != nil {
		return err
	}
	issuer, closer, err := fleet.StartIssuer(ctx)
	if err != nil {
		return err
	}
	c.issuer, c.closers = issuer, append(c.closers, closer)
	c.token = issuer.Session(operator, authtest.ExpiresIn(12*time.Hour))
	for range hubs {
		if err := c.startHub(ctx, database.Path); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startHub(ctx context.Context, database string) error {
	h := new(hub)
	for i := range h.databases {
		p, err := c.proxy(ctx)
		if err != nil {
			return err
		}
		p.to("unix", c.postgres.Socket()+"/.s.PGSQL.5432")
		h.databases[i] = p
	}
	h.databases[1].to("unix", "") // nothing
	h.Program, h.Dir = c.program, c.folder
	h.Settings = []string{
		"DATABASE_URL=postgres://" + pgserver.User + "@" + h.databases[0].address() + "," + h.databases[1].address() + database + "?sslmode=disable&target_session_attrs=read-write",
		"OSTIARY_ISSUER=" + c.issuer.URL(), "OSTIARY_PROFILE=clerk", "OSTIARY_FEED_SECRET=" + c.secret,
		"OSTIARY_OPERATOR_SUBJECTS=" + operator, "OSTIARY_LOG_LEVEL=warn",
	}
	c.hubs = append(c.hubs, h)
	if err := h.Start(ctx); err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	h.client = revocationv1connect.NewRevocationServiceClient(&http.Client{Transport: transport}, h.URL(), connectauth.WithToken(h.URL(), authclient.StaticToken(c.token)))
	front, err := c.proxy(ctx)
	if err != nil {
		return err
	}
	h.front = front
	front.to("tcp", h.URL()[len("http://"):])
	return nil
}

func (c *cluster) proxy(ctx context.Context) (*proxy, error) {
	p, err := newProxy(ctx)
	if err == nil {
		c.closers = append(c.closers, p)
	}
	return p, err
}

// close ends everything.
func (c *cluster) close() {
	for _, w := range c.workers {
		_ = w.Close()
	}
	for _, h := range c.hubs {
		_ = h.Kill()
	}
	for _, closer := range c.closers {
		_ = closer.Close()
	}
	if c.postgres != nil {
		c.postgres.Close()
	}
	c.cancel()
	_ = os.RemoveAll(c.folder)
}

// follow starts so many followers, in several processes, of these hubs.
func (c *cluster) follow(ctx context.Context, followers int, hubs ...string) (took time.Duration, err error) {
	for range min(workers, followers) {
		w, err := startWorker(ctx)
		if err != nil {
			return 0, err
		}
		c.workers = append(c.workers, w)
	}
	n := len(c.workers)
	setup := Setup{Hubs: hubs, Secret: c.secret, Issuer: c.issuer.URL(), Followers: followers / n}
	all, err := each[time.Duration](c, "Follow", func(int) any { return setup })
	for _, d := range all {
		took = max(took, d)
	}
	return took, err
}

// directly are the hubs' own URLs.
func (c *cluster) directly() (urls []string) {
	for _, h := range c.hubs {
		urls = append(urls, h.URL())
	}
	return urls
}

// each calls a method of all workers at once.
func each[T any](c *cluster, method string, argument func(worker int) any) ([]T, error) {
	answers := make([]T, len(c.workers))
	var calls errgroup.Group
	for i, w := range c.workers {
		calls.Go(func() error { return w.Call("Worker."+method, argument(i), &answers[i]) })
	}
	return answers, calls.Wait()
}

// names returns new names of sessions.
func (c *cluster) names(n int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, n)
	for i := range names {
		c.made++
		names[i] = fmt.Sprintf("sess_%027d", c.made)
	}
	return names
}

// revoke revokes sessions at a hub, and keeps those that it acknowledges.
func (c *cluster) revoke(ctx context.Context, h *hub, sessions ...string) error {
	request := new(revocationv1.RevokeTokensRequest)
	for _, s := range sessions {
		request.Revocations = append(request.Revocations, newRevocation(c.issuer.URL(), s))
	}
	if _, err := h.client.RevokeTokens(ctx, request); err != nil {
		return err
	}
	c.mu.Lock()
	c.acked = append(c.acked, sessions...)
	c.mu.Unlock()
	return nil
}

func newRevocation(issuer, session string) *revocationv1.NewRevocation {
	ref := &revocationv1.SessionRef{Issuer: issuer, SessionId: session, Owner: &revocationv1.SessionRef_Subject{Subject: subject}}
	return &revocationv1.NewRevocation{Target: &revocationv1.Target{Target: &revocationv1.Target_Session{Session: ref}}}
}

// lacking returns how many followers lack any revocation that was acknowledged by now.
func (c *cluster) lacking() (lacking int, err error) {
	c.mu.Lock()
	news := append([]string(nil), c.acked[c.shared:]...)
	c.shared = len(c.acked)
	c.mu.Unlock()
	all, err := each[int](c, "Acknowledged", func(int) any { return news })
	for _, n := range all {
		lacking += n
	}
	return lacking, err
}

// await waits until no follower lacks a revocation that was acknowledged.
func (c *cluster) await(ctx context.Context, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		lacking, err := c.lacking()
		if err != nil || lacking == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: after %s, %d followers lack them", errLost, limit, lacking)
		}
		if !pause(ctx, 5*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// pause returns false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// withFleet runs a function with a fleet of three hubs and all followers.
func withFleet(ctx context.Context, o options, f func(context.Context, *cluster) ([]row, error)) ([]row, error) {
	c, err := newCluster(ctx, o, 3)
	if err != nil {
		return nil, err
	}
	defer c.close()
	took, err := c.follow(ctx, o.followers, c.directly()...)
	if err != nil {
		return nil, err
	}
	progress("%d followers have caught up after %s", o.followers, took.Round(time.Millisecond))
	rows, err := f(ctx, c)
	if err != nil {
		c.keepLogs()
	}
	return rows, err
}

// keepLogs writes the hubs' logs to files that stay, and says where.
func (c *cluster) keepLogs() {
	folder, err := os.MkdirTemp("", "ostiary-fleet-logs-")
	for i, h := range c.hubs {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, fmt.Sprint("hub-", i+1)), []byte(h.Log()), 0o600))
	}
	progress("the hubs' logs are in %s %v", folder, err)
}
