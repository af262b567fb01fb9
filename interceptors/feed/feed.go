// Package feed keeps a service's revocations equal to those of a hub: an
// ostiary server that the services of a fleet follow, so that a sign-out there ends
// calls and streams everywhere.
//
//	follower, err := feed.Follow(feed.Config{
//		Hubs:    []string{"https://ostiary.internal"},
//		TokenSource:  authclient.StaticToken(os.Getenv("OSTIARY_FEED_SECRET")),
//		Service: "billing",
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer follower.Close()
//	guard, err := ostiary.New(ostiary.Config{Revocations: follower})
//
// A [Follower] is the Revocations of a guard. It holds a copy of all revocations that are
// in force, so that no call waits for the hub. What is revoked at the hub is refused here
// with TOKEN_REVOKED within a moment, and its open streams end. The copy only grows:
// nothing leaves it but what has expired.
//
// Until the follower has caught up with a hub once, or has read the file of
// [Config.Snapshot], every call with a token is refused with REVOCATIONS_STALE. Later,
// while no hub can be reached, it goes on with what it knows. A copy that is older than
// [Config.MaxStale] is logged, or makes it refuse calls if [Config.RefuseStale] is set.
package feed

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/internal/ownfile"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/internal/loopback"
)

const (
	defaultMaxStale = 30 * time.Second
	// minMaxStale is how long it takes to notice a dead connection, and to go to another hub.
	minMaxStale = 5 * time.Second
)

// Config says which hubs to follow, and what to do while none can be reached. Hubs,
// Source and Service are required.
type Config struct {
	// Hubs are the base URLs of one or more hubs that have the same database, or of relays
	// of these. The follower is connected to one of them, and goes on at another when that
	// fails. They are https, or http on a loopback address.
	Hubs []string
	// TokenSource gives the token to follow with: that of a machine that the hub permits to
	// follow, as of authclient.ClientCredentials, or one of the hub's feed secrets as an
	// authclient.StaticToken. It is asked once for each connection.
	TokenSource authclient.TokenSource
	// Service is the name of this service, the same in all of its instances: at most 253
	// visible ASCII characters.
	Service string
	// InsecureAllowPlaintext permits http hubs that are not on a loopback address. Anybody on
	// the network path can then read the token, follow with it, and hide revocations from
	// this service. Use it only in a network where every link is encrypted by other means.
	InsecureAllowPlaintext bool
	// Transport makes the connections, for TLS settings of your own. It should serve nothing
	// else, since the follower closes its idle connections. Default: one that uses HTTP_PROXY
	// and HTTPS_PROXY.
	Transport http.RoundTripper

	// Retention is the longest lifetime of a token that the guard accepts, plus its skew. A
	// hub that keeps revocations for a shorter time cannot protect this service: WaitReady
	// returns an error then, and the follower does not become ready. Default:
	// revocation.DefaultRetention, which fits the defaults of the guard.
	Retention time.Duration
	// MaxStale is how old the copy may be. At least 5 seconds. Default: 30 seconds.
	MaxStale time.Duration
	// RefuseStale refuses every call with a token with REVOCATIONS_STALE while the copy is
	// older than MaxStale, and ends open streams. Default: calls are served with what is
	// known, and the log has one line of level WARN when this begins and one when it ends.
	RefuseStale bool
	// AllowEmptyStart serves calls although no hub was reached since the start and no
	// snapshot was read. Tokens that were revoked before are accepted then. The age of the
	// copy counts from the start. Default: calls are refused with REVOCATIONS_STALE.
	AllowEmptyStart bool
	// Snapshot is a file that keeps the copy over restarts, so that one in the middle of an
	// outage serves, and one at any other time reads what has changed only. It counts as a
	// copy that has caught up if it is younger than Retention, and is used if one of its Hubs
	// is among these. It is written every 30 seconds while there are changes, and by Close;
	// only its owner may read it, it is replaced atomically, and two followers must not share
	// it. A file that is not a regular file, that another user owns (root excepted) or that
	// others may write is refused. So choose a directory that is this user's or root's, and
	// in which nobody else may write: others could put an older file in its place, or, in
	// /tmp, be the first to write there, so that Follow returns an error. The log warns of
	// such a directory. Default: none.
	Snapshot string
	// Relay gets everything that comes from the hub, for a server that others follow.
	// Snapshot then keeps what the Relay has. Default: none.
	Relay Relay

	// Logger logs connections to hubs, the age of the copy, and trouble with the snapshot;
	// never a token. Default: slog.Default(). To log nothing: slog.New(slog.DiscardHandler).
	Logger *slog.Logger
}

// withDefaults returns the configuration with its defaults filled in, and an error that
// names everything wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Hubs = slices.Clone(c.Hubs)
	c.Retention = cmp.Or(c.Retention, revocation.DefaultRetention)
	c.MaxStale = cmp.Or(c.MaxStale, defaultMaxStale)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Hubs) == 0, "no hub to follow: set Hubs to base URLs such as https://ostiary.internal")
	for _, hub := range c.Hubs {
		faults = append(faults, c.checkHub(hub))
	}
	fault(c.TokenSource == nil, "no token to follow with: set TokenSource, such as to authclient.StaticToken with a feed secret of the hub")
	fault(c.Service == "", "no name of this service: set Service, such as to billing")
	fault(len(c.Service) > maxName || strings.ContainsFunc(c.Service, invisible),
		"Service has more than %d characters, or some that are not visible ASCII: use a name such as billing", maxName)
	fault(c.Retention < 0, "Retention is negative: give the longest lifetime of a token plus the skew")
	fault(c.MaxStale < minMaxStale, "MaxStale is %v: at least %v, since a dead connection is noticed no sooner", c.MaxStale, minMaxStale)
	if c.Snapshot != "" {
		faults = append(faults, ownfile.Check(c.Snapshot))
	}
	return c, errors.Join(faults...)
}

// maxName is how long the name of a service and of an instance may be.
const maxName = 253

func invisible(c rune) bool { return c <= ' ' || c > '~' }

func (c Config) checkHub(hub string) error {
	u, err := url.Parse(hub)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("a URL of Hubs cannot be used: give base URLs such as https://ostiary.internal") // it may hold a password
	case u.Scheme == "https", u.Scheme == "http" && (c.InsecureAllowPlaintext || loopback.Host(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("refuse to send a token to the hub %s in plaintext: use https, or InsecureAllowPlaintext where the network encrypts", u.Host)
	default:
		return fmt.Errorf("the hub %s has the scheme %q: use https", u.Host, u.Scheme)
	}
}
