package signals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/internal/loopback"
)

// maxRetryAfter is the longest that a transmitter is left alone because it asked for it.
const maxRetryAfter = 10 * time.Minute

// A caller calls the endpoints of a transmitter.
type caller struct {
	client *http.Client
	tokens authclient.TokenSource // nil sends none
}

// newCaller returns one that follows no redirect, which could carry the token elsewhere.
func newCaller(given *http.Client, tokens authclient.TokenSource) *caller {
	client := new(http.Client)
	if given != nil {
		*client = *given
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &caller{client: client, tokens: tokens}
}

// An answer is what an endpoint has answered.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
}

// call sends a body of JSON, nil for none, and reads an answer of at most limit bytes. A
// token that is refused is replaced once. No error holds a token, a URL or the answer.
func (c *caller) call(ctx context.Context, method, to string, body any, limit int64) (answer, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
	}
	a, err := c.send(ctx, method, to, text, limit)
	if err == nil && a.status == http.StatusUnauthorized && c.tokens != nil {
		a, err = c.send(authclient.WantFreshToken(ctx), method, to, text, limit)
	}
	return a, err
}

func (c *caller) send(ctx context.Context, method, to string, body []byte, limit int64) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("its URL cannot be used")
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Content-Language", "en")
	}
	if c.tokens != nil {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return answer{}, fmt.Errorf("no token: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.client.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("its answer ends too early: %w", err)
	case int64(len(text)) > limit:
		return answer{}, fmt.Errorf("its answer is longer than %d bytes", limit)
	}
	return answer{response.StatusCode, retryAfter(response.Header.Get("Retry-After")), text}, nil
}

// retryAfter reads the seconds of a Retry-After (RFC 9110, section 10.2.3). A date is left
// alone, and so is what is too long.
func retryAfter(value string) time.Duration {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

// checkURL refuses a URL that secrets and events must not go to or come from.
func checkURL(what, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%s cannot be used; give a URL such as https://idp.example.com/path", what)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())):
		return fmt.Errorf("%s must be https", what)
	default:
		return nil
	}
}
