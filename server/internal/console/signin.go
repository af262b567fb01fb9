package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ostiary/ostiary/internal/loopback"
)

const (
	// retryDiscovery is how soon an issuer is asked again that has not answered.
	retryDiscovery = 5 * time.Second
	// renewDiscovery is how long the answer of one counts that goes on answering.
	renewDiscovery = time.Hour
	// discoveryTimeout is how long the page waits for issuers.
	discoveryTimeout = 3 * time.Second
)

// An Issuer is one that users sign in at with OpenID Connect. See settings.ConsoleClient.
type Issuer struct {
	URL, ClientID      string
	Scopes             []string
	Audience, Resource string
	// TakesIDToken says that the server accepts the issuer's ID tokens as credentials, so that
	// they must not be in a URL.
	TakesIDToken bool
	// Discover returns the discovery document of the issuer.
	Discover func(context.Context) (json.RawMessage, error)
}

// A signIn is what the page is told of an Issuer.
type signIn struct {
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"clientId"`
	Callback string   `json:"callback"`
	Scopes   []string `json:"scopes"`
	Audience string   `json:"audience,omitempty"`
	Resource string   `json:"resource,omitempty"`
	// Hint says that the ID token may be sent along when the user signs out.
	Hint bool `json:"hint"`
	// Metadata is missing where nobody can sign in, and Problem says why then.
	Metadata *metadata `json:"metadata,omitempty"`
	Problem  string    `json:"problem,omitempty"`
}

// metadata is what the page needs of a discovery document (OpenID Connect Discovery 1.0,
// section 3; RFC 8414, section 2; RFC 9207, section 3; RP-Initiated Logout 1.0, section 2.1).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint,omitempty"`
	RevocationEndpoint    string   `json:"revocation_endpoint,omitempty"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported,omitempty"`
	NamesItself           bool     `json:"authorization_response_iss_parameter_supported,omitempty"`
}

// parseMetadata reads the discovery document of an issuer. An endpoint that the page can do
// without is left out where it is not usable.
func parseMetadata(issuer string, document json.RawMessage) (*metadata, error) {
	var members map[string]json.RawMessage // encoding/json finds the fields of a struct in any case
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, errors.New("its discovery document is not valid")
	}
	if err := checkNames(members); err != nil {
		return nil, err
	}
	m := metadata{Issuer: issuer}
	for name, field := range map[string]any{
		"authorization_endpoint":                         &m.AuthorizationEndpoint,
		"token_endpoint":                                 &m.TokenEndpoint,
		"end_session_endpoint":                           &m.EndSessionEndpoint,
		"revocation_endpoint":                            &m.RevocationEndpoint,
		"id_token_signing_alg_values_supported":          &m.SigningAlgorithms,
		"authorization_response_iss_parameter_supported": &m.NamesItself,
	} {
		if value, ok := members[name]; ok && json.Unmarshal(value, field) != nil {
			return nil, fmt.Errorf("its discovery document has an %s that is not valid", name)
		}
	}
	secure := strings.HasPrefix(m.Issuer, "https:")
	for name, endpoint := range map[string]*string{"authorization_endpoint": &m.AuthorizationEndpoint, "token_endpoint": &m.TokenEndpoint} {
		var err error
		if *endpoint, err = checkEndpoint(*endpoint, secure); err != nil {
			return nil, fmt.Errorf("its discovery document has an %s that cannot be used: %w", name, err)
		}
	}
	for _, endpoint := range []*string{&m.EndSessionEndpoint, &m.RevocationEndpoint} {
		*endpoint, _ = checkEndpoint(*endpoint, secure)
	}
	return &m, nil
}

// checkNames refuses a document with two names that a reader which ignores case takes for one.
func checkNames(members map[string]json.RawMessage) error {
	seen := make(map[string]bool, len(members))
	for name := range members {
		folded := strings.ToLower(strings.ToUpper(name)) // ſ and s have one upper case, K and k one lower case
		if seen[folded] {
			return fmt.Errorf("its discovery document has %q twice, in letters of different case", folded)
		}
		seen[folded] = true
	}
	return nil
}

// checkEndpoint returns a URL in a form that a Content-Security-Policy can hold; "" with the
// error. That of an https issuer is https, too.
func checkEndpoint(endpoint string, secure bool) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return "", errors.New("it is not a URL")
	case u.Scheme != "https" && (secure || u.Scheme != "http" || !loopback.Host(u.Hostname())):
		return "", errors.New("it is not https")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return !isHostRune(r) }):
		return "", errors.New("its host is not one of DNS, nor an address")
	default:
		return u.String(), nil
	}
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.:[]_", r)
}

// source returns the source expression of a Content-Security-Policy that matches an endpoint and
// nothing else, whose path is compared with percent-encoding removed (Content Security Policy
// Level 3, section 6.7.2.10).
func source(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "" // parseMetadata has parsed it
	}
	u.RawQuery, u.ForceQuery = "", false
	return strings.NewReplacer(";", "%3B", ",", "%2C", "'", "%27").Replace(u.String())
}

// signIns keeps what the issuers say of themselves. It asks them when the page is loaded: an
// issuer that was away at the start is asked with a later load. No request to an issuer takes
// longer than discoveryTimeout.
type signIns struct {
	issuers []Issuer
	now     func() time.Time
	log     *slog.Logger
	flight  singleflight.Group

	mu    sync.Mutex // guards what follows
	known []discovered
}

type discovered struct {
	metadata *metadata // nil until the issuer has answered
	err      error     // of the last attempt
	next     time.Time // when to ask again
}

func newSignIns(c Config) *signIns {
	return &signIns{issuers: c.Issuers, now: c.Now, log: c.Log, known: make([]discovered, len(c.Issuers))}
}

// offered returns what the page is told of each issuer. It asks an issuer for its metadata where
// they are missing or old, and waits for the answer only where they are missing. Requests for the
// page that come meanwhile share that answer.
func (s *signIns) offered(ctx context.Context) []signIn {
	var awaited []<-chan singleflight.Result
	for _, i := range s.due() {
		asked := s.flight.DoChan(s.issuers[i].URL, func() (any, error) {
			if slices.Contains(s.due(), i) { // else the flight before has asked
				s.ask(context.WithoutCancel(ctx), i) // it is for others, too
			}
			return nil, nil
		})
		if !s.knows(i) {
			awaited = append(awaited, asked)
		}
	}
	for _, asked := range awaited {
		<-asked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	offered := make([]signIn, len(s.issuers))
	for i, issuer := range s.issuers {
		offered[i] = signIn{
			Issuer: issuer.URL, ClientID: issuer.ClientID, Callback: CallbackPath(issuer.URL), Scopes: append([]string{"openid"}, issuer.Scopes...),
			Audience: issuer.Audience, Resource: issuer.Resource, Hint: !issuer.TakesIDToken, Metadata: s.known[i].metadata,
		}
		if offered[i].Metadata == nil {
			offered[i].Problem = "This server cannot learn from it how to sign in. The server's log says why."
		}
	}
	return offered
}

// knows reports whether an issuer has ever said how to sign in.
func (s *signIns) knows(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[i].metadata != nil
}

// due returns the issuers that are to be asked.
func (s *signIns) due() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []int
	for i := range s.known {
		if !s.now().Before(s.known[i].next) {
			due = append(due, i)
		}
	}
	return due
}

// ask asks an issuer. What it said before counts where it does not answer.
func (s *signIns) ask(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	document, err := s.issuers[i].Discover(ctx)
	var found *metadata
	if err == nil {
		found, err = parseMetadata(s.issuers[i].URL, document)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := &s.known[i]
	if err != nil {
		known.next = s.now().Add(retryDiscovery)
		if known.err == nil || known.err.Error() != err.Error() {
			s.log.WarnContext(ctx, "the console cannot learn how to sign in at an issuer", "issuer", s.issuers[i].URL, "error", err, "offered", known.metadata != nil)
		}
		known.err = err
		return
	}
	*known = discovered{metadata: found, next: s.now().Add(renewDiscovery)}
}
