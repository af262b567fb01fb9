package authclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/ostiary/ostiary/internal/loopback"
)

// A TokenEndpoint is where an authorization server issues tokens (RFC 6749, section
// 3.2), and the client that this program is to it. It prints without the secret.
type TokenEndpoint struct {
	// URL is https, or http on a loopback address. Required.
	URL string
	// ClientID is the name of this program there. Required.
	ClientID string
	// ClientSecret proves it. Required.
	ClientSecret string
	// AuthStyle is how the two are sent. Default: oauth2.AuthStyleInHeader, which every
	// server must support (RFC 6749, section 2.3.1). The other is
	// oauth2.AuthStyleInParams.
	AuthStyle oauth2.AuthStyle
	// Parameters are sent with every request, beside those that the source sends. Optional.
	Parameters url.Values
	// HTTPClient makes the requests. Redirects are not followed, unless it has a
	// CheckRedirect of its own, since they would carry the secret elsewhere. Default:
	// one like http.DefaultClient. Each request takes at most 30 seconds.
	HTTPClient *http.Client
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// A TokenTarget is what a token is requested for. Which parts it needs, the
// authorization server says; all are optional.
type TokenTarget struct {
	// Audience is the name of the service that is to accept the token (parameter
	// audience; RFC 8693, section 2.1, and Auth0's).
	Audience string
	// Resources are the URIs of services that are to accept it (parameter resource;
	// RFC 8707, section 2).
	Resources []string
	// Scopes are what the token is to allow (RFC 6749, section 3.3). Default: the
	// server's.
	Scopes []string
}

// String hides the secret, so that no log shows it.
func (e TokenEndpoint) String() string { return "TokenEndpoint(" + e.ClientID + " at " + e.URL + ")" }

// GoString hides the secret, so that no log shows it.
func (e TokenEndpoint) GoString() string { return "authclient." + e.String() }

// LogValue hides the secret, so that no log shows it.
func (e TokenEndpoint) LogValue() slog.Value { return slog.StringValue(e.String()) }

// requestTimeout is the longest that a token endpoint may take.
const requestTimeout = 30 * time.Second

// unstatedLifetime is how long a token counts whose answer has no expires_in.
const unstatedLifetime = time.Minute

// A tokenRequest is what is asked of a token endpoint. It is never changed.
type tokenRequest struct {
	endpoint   TokenEndpoint
	target     TokenTarget
	parameters url.Values
}

// newRequest returns a request with these parameters, after checking the settings.
func newRequest(endpoint TokenEndpoint, target TokenTarget, parameters url.Values) (*tokenRequest, error) {
	u, err := url.Parse(endpoint.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil:
		return nil, errors.New("the URL of the token endpoint cannot be used; give one such as https://login.example.com/oauth/token")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())):
		return nil, errors.New("refuse to send a secret to the token endpoint in plaintext: use https")
	case endpoint.ClientID == "" || endpoint.ClientSecret == "":
		return nil, errors.New("the token endpoint needs a ClientID and a ClientSecret")
	}
	all := maps.Clone(parameters)
	if target.Audience != "" {
		all.Set("audience", target.Audience)
	}
	if len(target.Resources) > 0 {
		all["resource"] = slices.Clone(target.Resources)
	}
	for name, values := range endpoint.Parameters {
		if _, taken := all[name]; taken || slices.Contains([]string{"grant_type", "scope", "client_id", "client_secret", "subject_token"}, name) {
			return nil, fmt.Errorf("the parameter %q of token requests has a field of its own: use that", name)
		}
		all[name] = slices.Clone(values)
	}
	endpoint.AuthStyle = cmp.Or(endpoint.AuthStyle, oauth2.AuthStyleInHeader)
	client := new(http.Client)
	if endpoint.HTTPClient != nil {
		*client = *endpoint.HTTPClient
	}
	if client.CheckRedirect == nil {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	endpoint.HTTPClient = client
	if endpoint.Now == nil {
		endpoint.Now = time.Now
	}
	return &tokenRequest{endpoint: endpoint, target: target, parameters: all}, nil
}

// send makes the request, with further parameters.
func (r *tokenRequest) send(ctx context.Context, further url.Values) (issuedToken, error) {
	parameters := maps.Clone(r.parameters)
	maps.Copy(parameters, further)
	config := &clientcredentials.Config{
		TokenURL:       r.endpoint.URL,
		ClientID:       r.endpoint.ClientID,
		ClientSecret:   r.endpoint.ClientSecret,
		AuthStyle:      r.endpoint.AuthStyle,
		Scopes:         r.target.Scopes,
		EndpointParams: parameters,
	}
	sending, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, r.endpoint.HTTPClient), requestTimeout)
	defer cancel()
	token, err := config.Token(sending)
	switch {
	case ctx.Err() != nil:
		return issuedToken{}, context.Cause(ctx)
	case err != nil:
		return issuedToken{}, fmt.Errorf("fetch a token from %s: %w", r.endpoint.URL, withoutAnswer(err))
	case !strings.EqualFold(token.Type(), "Bearer"):
		return issuedToken{}, fmt.Errorf("fetch a token from %s: it is no bearer token (RFC 6750), which is the only type that can be sent", r.endpoint.URL)
	case strings.ContainsFunc(token.AccessToken, func(c rune) bool { return c <= ' ' || c > '~' }):
		return issuedToken{}, fmt.Errorf("fetch a token from %s: it has characters that no bearer token has (RFC 6750, section 2.1)", r.endpoint.URL)
	}
	lifetime := unstatedLifetime
	if !token.Expiry.IsZero() {
		lifetime = time.Until(token.Expiry)
	}
	now := r.endpoint.Now()
	return issuedToken{text: token.AccessToken, fetched: now, refresh: now.Add(ahead(lifetime)), expires: now.Add(lifetime)}, nil
}

// errorCodes are those of RFC 6749, section 5.2, RFC 8693, section 2.2.2, and RFC 8707,
// section 2.
var errorCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "server_error", "temporarily_unavailable",
}

// withoutAnswer returns the error without the text of a token endpoint's answer, which
// can repeat what was sent.
func withoutAnswer(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		code := "another error"
		if slices.Contains(errorCodes, refused.ErrorCode) {
			code = refused.ErrorCode
		}
		if refused.Response == nil {
			return fmt.Errorf("it was refused: %s", code)
		}
		return fmt.Errorf("it was refused with status %d: %s", refused.Response.StatusCode, code)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	if strings.HasPrefix(err.Error(), "oauth2: cannot parse") {
		return errors.New("the answer is not that of a token endpoint (RFC 6749, section 5.1)")
	}
	return err
}
