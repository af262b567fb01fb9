package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/loopback"
)

// RemoteConfig configures a Remote. Either URL or Issuer is required; every other
// field has a default, which its comment names.
type RemoteConfig struct {
	// URL is where the key set is published; for Clerk the issuer followed by
	// /.well-known/jwks.json. It may have a query. It must be https; http is
	// accepted for loopback.
	URL string
	// Issuer is where to discover the URL instead (OpenID Connect Discovery 1.0,
	// section 4), at each fetch anew. The document must name exactly this issuer,
	// and may name a key set on another host, as Google's does.
	Issuer string

	// InsecureAllowPlaintext accepts plain http elsewhere than on loopback. An attacker who can
	// change the traffic between here and the issuer can then make tokens for any
	// user, so set it only within a private network. An issuer on https must still
	// publish its keys over https. Default: false.
	InsecureAllowPlaintext bool
	// CAFile is a file of certificates in PEM that vouch for the issuer, instead of
	// those of the system, as Kubernetes puts one into each pod. It is read at each
	// fetch, and must not be given with a Transport. Default: none.
	CAFile string
	// TokenFile is a file with a bearer token that the requests carry (RFC 6750,
	// section 2.1), such as that of a Kubernetes service account. It is read at each
	// fetch, because such tokens are replaced. It is sent to the origin of URL or
	// Issuer alone, and never over plain http except to loopback. Default: none.
	TokenFile string
	// AllowJWTSVID uses keys whose use is jwt-svid as well, which the bundles of
	// SPIFFE trust domains have (SPIFFE Trust Domain and Bundle, section 4.2.2).
	// Default: false.
	AllowJWTSVID bool

	// MinRefresh and MaxRefresh bound the time between fetches. In between, the
	// max-age of the answer counts; without one it is MaxRefresh. As long as
	// the issuer can be reached, a key that it removes stops verifying within
	// MaxRefresh. Defaults: 1 minute and 15 minutes.
	MinRefresh, MaxRefresh time.Duration
	// Cooldown is the time in which tokens with an unknown key may cause one fetch,
	// after two that they may cause at once. Default: 5 seconds.
	Cooldown time.Duration
	// MaxStale is how long keys stay in use when no fetch succeeds. It must not be
	// less than MaxRefresh. Default: 24 hours.
	MaxStale time.Duration
	// FetchTimeout bounds a fetch from the dialling to the last byte, discovery
	// included. Default: 5 seconds.
	FetchTimeout time.Duration
	// MaxBytes bounds each document. Default: 256 KiB.
	MaxBytes int64
	// MaxKeys bounds the keys of a set, the unusable ones counted. Default: 100.
	MaxKeys int

	// Snapshot is a file that keeps the last good set over restarts, so that one
	// in the middle of an outage still serves; MaxStale counts on. It is
	// readable by its owner alone, is replaced atomically, and must not be shared
	// by two sets. One that is not a regular file, that another user owns (root
	// excepted) or that others may write is refused. Default: none.
	Snapshot string

	// SnapshotReadOnly has the Snapshot read and never written, where another process keeps it.
	SnapshotReadOnly bool

	// Transport makes the requests. Default: one that uses HTTP_PROXY and HTTPS_PROXY.
	Transport http.RoundTripper
	// Now is the clock that ages are judged by. Timers run on the runtime's own.
	// Default: time.Now.
	Now func() time.Time
	// Logger logs when the keys change, when fetching begins to fail, when it fails for
	// another reason (at most once a minute), and when it succeeds again. A slow
	// handler delays no lookup, and may call Status. Default: slog.Default(). To log
	// nothing: slog.New(slog.DiscardHandler).
	Logger *slog.Logger
}

// withDefaults returns the configuration with its defaults filled in, and an
// error that names everything wrong with it.
func (c RemoteConfig) withDefaults() (RemoteConfig, error) {
	c.MinRefresh = cmp.Or(c.MinRefresh, time.Minute)
	c.MaxRefresh = cmp.Or(c.MaxRefresh, max(15*time.Minute, c.MinRefresh))
	c.Cooldown = cmp.Or(c.Cooldown, 5*time.Second)
	c.MaxStale = cmp.Or(c.MaxStale, 24*time.Hour)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 5*time.Second)
	c.MaxBytes = cmp.Or(c.MaxBytes, 256<<10)
	c.MaxKeys = cmp.Or(c.MaxKeys, 100)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(c.checkSource(), c.checkBounds(), c.checkFiles())
}

func (c RemoteConfig) checkSource() error {
	switch {
	case c.URL == "" && c.Issuer == "":
		return errors.New("no source of keys: set URL or Issuer")
	case c.URL != "" && c.Issuer != "":
		return errors.New("two sources of keys: set URL or Issuer, not both")
	case c.URL != "":
		return c.checkURL("URL", c.URL)
	case strings.Contains(c.Issuer, "?"):
		return fmt.Errorf("the issuer %q has a query: give it without", c.Issuer)
	default:
		return c.checkURL("Issuer", c.Issuer)
	}
}

func (c RemoteConfig) checkBounds() error {
	var faults []error
	if c.MinRefresh < 0 || c.MaxRefresh < c.MinRefresh {
		faults = append(faults, fmt.Errorf("MinRefresh %v and MaxRefresh %v: give 0 < MinRefresh <= MaxRefresh", c.MinRefresh, c.MaxRefresh))
	}
	if c.MaxStale < c.MaxRefresh {
		faults = append(faults, fmt.Errorf("MaxStale %v is less than MaxRefresh %v: keys would go out of use between two fetches", c.MaxStale, c.MaxRefresh))
	}
	if c.Cooldown < 0 || c.FetchTimeout < 0 || c.MaxBytes < 0 || c.MaxKeys < 0 {
		faults = append(faults, errors.New("one of Cooldown, FetchTimeout, MaxBytes and MaxKeys is negative: leave it 0 for its default"))
	}
	return errors.Join(faults...)
}

// checkFiles finds at once what would make every fetch fail.
func (c RemoteConfig) checkFiles() error {
	if c.CAFile != "" && c.Transport != nil {
		return errors.New("CAFile is given with a Transport: give one of them, which knows the certificates")
	}
	_, err := newFetcher(c)
	return err
}

// source identifies the key set, so that a snapshot of another one is not used.
func (c RemoteConfig) source() string { return cmp.Or(c.URL, c.Issuer) }

// checkURL accepts https. It accepts http to loopback, where nobody can listen in,
// and elsewhere only if the configuration says so.
func (c RemoteConfig) checkURL(name, raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s cannot be parsed: give one such as https://issuer.example.com", name)
	}
	switch {
	case u.User != nil:
		return fmt.Errorf("%s holds a user name or password: leave it out, key sets are public", name)
	case u.Hostname() == "" || u.Fragment != "":
		return fmt.Errorf("%s %q: give an absolute URL without a fragment", name, raw)
	case u.Scheme == "https", u.Scheme == "http" && loopback.Host(u.Hostname()):
		return nil
	case u.Scheme != "http" || !c.InsecureAllowPlaintext:
		return fmt.Errorf("%s %q: use https; http is accepted for loopback, and within a private network with InsecureAllowPlaintext", name, raw)
	case c.TokenFile != "":
		return fmt.Errorf("%s %q: use https: over http the network would read the token of TokenFile", name, raw)
	default:
		return nil
	}
}
