package jwks

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const maxRedirects = 3

// An answer is the result of a fetch.
type answer struct {
	document document
	maxAge   time.Duration
	ahead    time.Duration // see Remote.ClockAhead
}

// fetch gets the key set. If its version is still that of the given generation, which
// may be nil, it returns that document again.
func (c RemoteConfig) fetch(ctx context.Context, have *generation) (answer, error) {
	f, err := newFetcher(c)
	if err != nil {
		return answer{}, err
	}
	location, err := f.locate(ctx)
	if err != nil {
		return answer{}, err
	}
	var etag string
	if have != nil && have.document.url == location {
		etag = have.document.etag
	}
	sent := c.Now()
	body, header, err := f.get(ctx, location, etag)
	if err != nil {
		return answer{}, err
	}
	result := answer{maxAge: f.maxAge(header), ahead: clockAhead(header, sent, c.Now())}
	if body == nil {
		result.document = have.document
		return result, nil
	}
	if result.document, err = parseDocument(body, c.rules()); err != nil {
		return answer{}, fmt.Errorf("%s: %w", location, err)
	}
	result.document.url, result.document.etag = location, header.Get("ETag")
	return result, nil
}

// clockAhead returns how far the clock of who answered is ahead, by the Date of the answer, which
// has whole seconds, and its Age in a cache (RFC 9110, section 6.6.1; RFC 9111, section 5.1).
func clockAhead(header http.Header, sent, came time.Time) time.Duration {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	age, _ := strconv.Atoi(header.Get("Age"))
	took := came.Sub(sent)
	ahead := date.Add(time.Duration(max(age, 0)) * time.Second).Sub(sent.Add(took / 2))
	if ahead.Abs() <= 2*time.Second+took/2 {
		return 0
	}
	return ahead
}

// A fetcher gets a key set once. It holds what was in the files at that time.
type fetcher struct {
	config RemoteConfig
	client *http.Client
	token  string // for the requests to the origin of the source; may be empty
}

func newFetcher(config RemoteConfig) (fetcher, error) {
	f := fetcher{config: config, client: &http.Client{CheckRedirect: checkRedirect}}
	transport, caErr := newTransport(config)
	f.client.Transport = transport
	if config.TokenFile == "" {
		return f, caErr
	}
	var tokenErr error
	if f.token, tokenErr = readToken(config.TokenFile); tokenErr != nil {
		tokenErr = fmt.Errorf("TokenFile: %w", tokenErr)
	}
	return f, errors.Join(caErr, tokenErr)
}

// newTransport keeps no connection open. The next request is minutes away; a new
// connection then resolves the issuer's name anew, and a retry does not hang on a
// dead one.
func newTransport(config RemoteConfig) (http.RoundTripper, error) {
	if config.Transport != nil {
		return config.Transport, nil
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if config.CAFile == "" {
		return transport, nil
	}
	roots, err := readRoots(config.CAFile)
	if err != nil {
		err = fmt.Errorf("CAFile: %w", err)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, err
}

// checkRedirect follows redirects within one origin only, so that control of one path
// is not enough to provide keys from elsewhere. It follows none with a user name.
func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if next.URL.User != nil {
		return errors.New("a redirect with a user name is not followed: key sets are public")
	}
	if originOf(next.URL) != originOf(via[0].URL) {
		return errors.New("a redirect to another origin is not followed: configure the final address")
	}
	return nil
}

// get returns the body, or nil when it is still that of the etag.
func (f fetcher) get(ctx context.Context, location, etag string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "ostiary")
	if f.token != "" && originOf(request.URL) == f.config.origin() {
		request.Header.Set("Authorization", "Bearer "+f.token)
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return nil, response.Header, nil
	case response.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("%s answered with status %d", location, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, f.config.MaxBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", location, err)
	}
	if int64(len(body)) > f.config.MaxBytes {
		return nil, nil, fmt.Errorf("%s is longer than %d bytes", location, f.config.MaxBytes)
	}
	return body, response.Header, nil
}

// maxAge reads Cache-Control (RFC 9111, section 5.2.2). An answer that says
// nothing may be kept for as long as the bounds allow.
func (f fetcher) maxAge(header http.Header) time.Duration {
	age := f.config.MaxRefresh
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return 0
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				age = time.Duration(seconds) * time.Second
			}
		}
	}
	return age
}

// locate returns where the key set is: the configured URL, or the jwks_uri that
// the issuer's discovery document names. It is read at each fetch, so a key set that
// moves is followed.
func (f fetcher) locate(ctx context.Context) (string, error) {
	if f.config.URL != "" {
		return f.config.URL, nil
	}
	location, _, metadata, err := f.discover(ctx)
	if err != nil {
		return "", err
	}
	keys, err := metadata.text("jwks_uri")
	if err != nil {
		return "", fmt.Errorf("%s: %w", location, err)
	}
	if err := f.checkKeysURL(keys); err != nil {
		return "", fmt.Errorf("%s: %w", location, err)
	}
	return keys, nil
}

// Discover fetches the discovery document of Issuer once and returns it. It checks that the
// document is one JSON object, and that its issuer is Issuer; what else it says is for the
// caller to check. The fields about refreshing, and the snapshot, mean nothing here.
func (c RemoteConfig) Discover(ctx context.Context) (json.RawMessage, error) {
	c.URL = ""
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	f, err := newFetcher(c)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.FetchTimeout)
	defer cancel()
	_, body, _, err := f.discover(ctx)
	return body, err
}

// discover gets the issuer's discovery document (OpenID Connect Discovery 1.0, sections 4
// and 4.3).
func (f fetcher) discover(ctx context.Context) (location string, body []byte, metadata object, err error) {
	location = strings.TrimSuffix(f.config.Issuer, "/") + "/.well-known/openid-configuration"
	body, _, err = f.get(ctx, location, "")
	if err != nil {
		return "", nil, nil, err
	}
	body = withoutBOM(body)
	if err := json.Unmarshal(body, &metadata); err != nil {
		return "", nil, nil, fmt.Errorf("%s is not one JSON object: %w", location, err)
	}
	issuer, err := metadata.text("issuer")
	if err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", location, err)
	}
	if issuer != f.config.Issuer {
		return "", nil, nil, fmt.Errorf("%s is the document of issuer %q, not of %q: the two must be exactly alike", location, issuer, f.config.Issuer)
	}
	return location, body, metadata, nil
}

// checkKeysURL allows http only where the issuer itself is on http.
func (f fetcher) checkKeysURL(keys string) error {
	if err := f.config.checkURL("jwks_uri", keys); err != nil {
		return err
	}
	issuer, err := url.Parse(f.config.Issuer)
	if err != nil {
		return err
	}
	if location, err := url.Parse(keys); err != nil || issuer.Scheme == "https" && location.Scheme != "https" {
		return fmt.Errorf("jwks_uri %q: an https issuer must publish its keys over https", keys)
	}
	return nil
}
