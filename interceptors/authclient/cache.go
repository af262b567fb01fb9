package authclient

import (
	"context"
	"sync"
	"time"
)

// An issuedToken is a token and its times, by the clock of its endpoint.
type issuedToken struct {
	text    string
	fetched time.Time
	refresh time.Time // when to fetch the next one, while this one still counts
	expires time.Time
}

// freshFor is how long a token counts as one that was not used yet. Calls that want a
// fresh one mostly come together.
const freshFor = 5 * time.Second

// A cachedToken keeps one token, and has one call at a time fetch the next. Nothing runs
// between calls.
type cachedToken struct {
	now  func() time.Time
	turn chan struct{} // holds one element while somebody fetches

	mu      sync.Mutex // guards what follows
	token   issuedToken
	wait    *backoff
	failure error // of the last attempt
	retry   time.Time
}

func newCachedToken(now func() time.Time) *cachedToken {
	return &cachedToken{now: now, turn: make(chan struct{}, 1), wait: Retry{MinDelay: time.Second}.backoff()}
}

// get returns the token, or has fetch get the next one: when there is none, when a fresh
// one is wanted, and ahead of its expiry. While one call fetches ahead of the expiry, the
// others go on with the token that is there, and where that fails, all do. After a
// failure nothing is fetched for a while, which grows with each.
func (c *cachedToken) get(ctx context.Context, fetch func(context.Context) (issuedToken, error)) (string, error) {
	fresh := FreshTokenWanted(ctx)
	token, current, usable := c.look(fresh)
	if current {
		return token, nil
	}
	select {
	case c.turn <- struct{}{}:
	default:
		if usable {
			return token, nil
		}
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	defer func() { <-c.turn }()
	if token, current, usable = c.look(fresh); current { // fetched while this call waited for its turn
		return token, nil
	}
	next, err := c.fetch(ctx, fetch)
	switch {
	case err == nil:
		return next, nil
	case usable:
		return token, nil
	default:
		return "", err
	}
}

// look returns the token; whether it is what a call wants, and otherwise whether the call
// can do with it.
func (c *cachedToken) look(fresh bool) (token string, current, usable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	alive := c.token.text != "" && now.Before(c.token.expires)
	if fresh {
		return c.token.text, alive && now.Before(c.token.fetched.Add(freshFor)), false
	}
	return c.token.text, alive && now.Before(c.token.refresh), alive
}

// fetch gets the next token, unless the last attempt has failed a short while ago.
func (c *cachedToken) fetch(ctx context.Context, fetch func(context.Context) (issuedToken, error)) (string, error) {
	c.mu.Lock()
	failure := c.failure
	if failure != nil && !c.now().Before(c.retry) {
		failure = nil
	}
	c.mu.Unlock()
	if failure != nil {
		return "", failure
	}
	token, err := fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.token, c.failure = token, nil
		c.wait.reset()
		return token.text, nil
	case ctx.Err() == nil: // the caller who gave up says nothing about the endpoint
		c.failure, c.retry = err, c.now().Add(c.wait.delay())
	}
	return "", err
}
