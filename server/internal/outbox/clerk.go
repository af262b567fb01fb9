package outbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultClerkURL is where Clerk's Backend API is.
	DefaultClerkURL = "https://api.clerk.com"
	// clerkVersion is the version of the API that is asked for.
	clerkVersion = "2026-05-12"

	requestTimeout = 10 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 256 << 10
	// How long to wait where the answer does not say, and at most.
	defaultRetryAfter = 10 * time.Second
	maxRetryAfter     = time.Hour

	// How often SessionStatus asks: a fifth of what Clerk answers, which is 1,000 requests in
	// ten seconds for an instance of production, and 100 for one of development.
	productionPace  = 50 * time.Millisecond
	developmentPace = 500 * time.Millisecond
	paceBurst       = 10 // at once, after a while without any
	liveKeyPrefix   = "sk_live_"
)

// ClerkConfig says how Clerk's Backend API is called.
type ClerkConfig struct {
	// SecretKey is that of the instance. Required.
	SecretKey string
	// URL is where the API is, without the version in its path. Default: DefaultClerkURL.
	URL string
	// KeysURL is where the issuer publishes its keys. They show whether the secret key is of
	// the same instance. Default: that is not looked at.
	KeysURL string
}

// Clerk ends sessions by Clerk's Backend API. Make one with [NewClerk].
type Clerk struct {
	url       string // ends in /v1/
	keysURL   string
	secretKey atomic.Pointer[string]
	client    *http.Client
	pace      *rate.Limiter // of SessionStatus

	sameInstance atomic.Bool // whether the secret key is known to be of the issuer's instance
}

var _ Ender = (*Clerk)(nil)

// NewClerk returns an Ender for one instance of Clerk.
func NewClerk(config ClerkConfig) *Clerk {
	c := &Clerk{
		pace:    rate.NewLimiter(0, paceBurst),
		url:     strings.TrimSuffix(cmp.Or(config.URL, DefaultClerkURL), "/") + "/v1/",
		keysURL: config.KeysURL,
		client: &http.Client{
			// Nobody gets the secret key whom the settings do not name.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       requestTimeout,
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				ForceAttemptHTTP2:      true,
				MaxIdleConnsPerHost:    atOnce,
				IdleConnTimeout:        30 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			},
		},
	}
	c.SetSecretKey(config.SecretKey)
	return c
}

// SetSecretKey has the calls that begin from now on made with another secret key of the instance. It
// reports whether the key is another.
func (c *Clerk) SetSecretKey(key string) (changed bool) {
	if before := c.secretKey.Swap(&key); before != nil && *before == key {
		return false
	}
	c.sameInstance.Store(false)
	pace := developmentPace
	if strings.HasPrefix(key, liveKeyPrefix) {
		pace = productionPace
	}
	c.pace.SetLimit(rate.Every(pace))
	return true
}

// Close implements Ender.
func (c *Clerk) Close() { c.client.CloseIdleConnections() }

// EndSession implements Ender. It first asks whose the session is.
func (c *Clerk) EndSession(ctx context.Context, session Session) error {
	if !isClerkID(session.ID) {
		return fmt.Errorf("%w: its id is not one of Clerk's", ErrRefused)
	}
	if session.Subject != "" {
		is, err := c.call(ctx, http.MethodGet, "sessions/"+session.ID)
		switch {
		case err != nil:
			return err
		case is.hasEnded():
			return c.checkInstance(ctx, is)
		case !is.goesOn():
			return is.failure()
		case is.body.UserID != session.Subject:
			return fmt.Errorf("%w: at Clerk it is the session of another user", ErrRefused)
		}
	}
	answer, err := c.call(ctx, http.MethodPost, "sessions/"+session.ID+"/revoke")
	switch {
	case err != nil:
		return err
	case answer.hasEnded():
		return c.checkInstance(ctx, answer)
	case answer.status == http.StatusBadRequest: // as for a session that has ended otherwise
		is, err := c.call(ctx, http.MethodGet, "sessions/"+session.ID)
		if err != nil {
			return err
		}
		if is.hasEnded() {
			return nil
		}
	}
	return answer.failure()
}

// SessionStatus implements Ender. The status of a session that Clerk does not know, since it was
// cleaned up, is session_not_found.
func (c *Clerk) SessionStatus(ctx context.Context, session Session) (status string, ended bool, err error) {
	if !isClerkID(session.ID) {
		return "", false, fmt.Errorf("%w: its id is not one of Clerk's", ErrRefused)
	}
	if err := c.pace.Wait(ctx); err != nil {
		return "", false, err
	}
	is, err := c.call(ctx, http.MethodGet, "sessions/"+session.ID)
	switch {
	case err != nil:
		return "", false, err
	case is.hasEnded() && is.status == http.StatusNotFound:
		if err := c.checkInstance(ctx, is); err != nil {
			return "", false, err
		}
		// With the key of another instance, every session would have ended.
		if !c.sameInstance.Load() {
			return "", false, fmt.Errorf("%w: Clerk does not know it, and nothing shows that the secret key is of the issuer's instance", ErrRefused)
		}
		return "session_not_found", true, nil
	case is.hasEnded() || is.goesOn():
		if is.body.UserID == session.Subject {
			c.sameInstance.Store(true)
		}
		return is.body.Status, is.hasEnded(), nil
	default:
		return "", false, is.failure()
	}
}

// isClerkID reports whether an ID can be part of a URL's path. That of a session that was
// never seen is as an operator wrote it.
func isClerkID(id string) bool {
	return id != "" && len(id) <= 255 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// A clerkAnswer is what Clerk has answered.
type clerkAnswer struct {
	status     int
	retryAfter string
	body       struct {
		Status string `json:"status"` // of the session
		UserID string `json:"user_id"`
		Keys   []struct {
			ID string `json:"kid"`
		} `json:"keys"`
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
}

// checkInstance returns an error if Clerk does not know a session since the secret key is
// of another instance than the issuer. Both publish the keys that they sign with.
func (c *Clerk) checkInstance(ctx context.Context, answer *clerkAnswer) error {
	if answer.status != http.StatusNotFound || c.keysURL == "" || c.sameInstance.Load() {
		return nil
	}
	ofSecret, err := c.call(ctx, http.MethodGet, "jwks")
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.keysURL, http.NoBody)
	if err != nil {
		return err
	}
	ofIssuer, err := c.do(request)
	switch {
	case err != nil:
		return err
	case len(ofSecret.body.Keys) == 0 || len(ofIssuer.body.Keys) == 0:
		return nil // nobody can say
	}
	for _, key := range ofSecret.body.Keys {
		if slices.Contains(ofIssuer.body.Keys, key) {
			c.sameInstance.Store(true)
			return nil
		}
	}
	return fmt.Errorf("%w: it is of another instance than the issuer", ErrCredential)
}

// call calls the API once. Its errors are temporary, and none has the secret key.
func (c *Clerk) call(ctx context.Context, method, path string) (*clerkAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+*c.secretKey.Load())
	request.Header.Set("Clerk-API-Version", clerkVersion)
	return c.do(request)
}

func (c *Clerk) do(request *http.Request) (*clerkAnswer, error) {
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "ostiary")
	response, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read Clerk's answer with status %d: %w", response.StatusCode, err)
	}
	answer := &clerkAnswer{status: response.StatusCode, retryAfter: response.Header.Get("Retry-After")}
	if err := json.Unmarshal(body, &answer.body); err != nil {
		*answer = clerkAnswer{status: answer.status, retryAfter: answer.retryAfter} // a proxy's page, or cut short
	}
	return answer, nil
}

// hasEnded reports whether the session has ended, or is not known any more. A status 404
// that is not Clerk's own comes from something else at that address.
func (a *clerkAnswer) hasEnded() bool {
	switch {
	case a.status == http.StatusNotFound:
		return len(a.body.Errors) > 0
	case a.status != http.StatusOK:
		return false
	default:
		return a.body.Status != "" && !a.goesOn()
	}
}

func (a *clerkAnswer) goesOn() bool {
	return a.status == http.StatusOK && (a.body.Status == "active" || a.body.Status == "pending")
}

// failure returns what an answer means after which the session may go on.
func (a *clerkAnswer) failure() error {
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrCredential, a.describe())
	case a.status == http.StatusTooManyRequests:
		return &RetryAfterError{cmp.Or(a.delay(), defaultRetryAfter), a.describe()}
	case a.status >= 500 && a.delay() > 0:
		return &RetryAfterError{a.delay(), a.describe()}
	case a.status == http.StatusNotFound, a.status < 400:
		return fmt.Errorf("%w, which is not as Clerk does: check api_url", a.describe())
	case a.status >= 500, a.status == http.StatusRequestTimeout:
		return a.describe()
	default:
		return fmt.Errorf("%w: %w", ErrRefused, a.describe())
	}
}

// describe says what was answered, but repeats nothing that can be long or have control
// characters.
func (a *clerkAnswer) describe() error {
	text := "the answer has status " + strconv.Itoa(a.status)
	if len(a.body.Errors) > 0 && isClerkID(a.body.Errors[0].Code) {
		text += ", code " + a.body.Errors[0].Code
	}
	if isClerkID(a.body.TraceID) {
		text += ", clerk_trace_id " + a.body.TraceID
	}
	return errors.New(text)
}

// delay returns how long to wait by the Retry-After (RFC 9110, section 10.2.3), in
// seconds or until a date; 0 if it does not say.
func (a *clerkAnswer) delay() time.Duration {
	if seconds, err := strconv.ParseUint(a.retryAfter, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(a.retryAfter); err == nil {
		return min(max(time.Until(date), 0), maxRetryAfter)
	}
	return 0
}
