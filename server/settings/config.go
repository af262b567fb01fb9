// Package settings is what a server is set to: its Config, the issuers that it trusts, and
// everything that can be wrong with them.
//
//	config := settings.Config{Issuers: []settings.Issuer{{URL: "https://clerk.example.com", Audiences: []string{"invoices"}}}}
//	for _, fault := range config.Faults() {
//		log.Println(fault) // the setting, what is wrong with it, and the remedy
//	}
//
// server.New takes a Config, and is the only one that starts something by it.
package settings

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server/internal/bounds"
	"github.com/ostiary/ostiary/server/internal/decisions"
	"github.com/ostiary/ostiary/server/internal/ledger"
)

// The defaults of Config.
const (
	DefaultHTTPAddr         = ":8080"
	DefaultGRPCAddr         = ":9090"
	DefaultAdminAddr        = "127.0.0.1:9464"
	DefaultRequestTimeout   = 30 * time.Second
	DefaultDrainDelay       = 5 * time.Second
	DefaultShutdownTimeout  = 10 * time.Second
	DefaultDataDir          = "./.ostiary"
	DefaultSessionRetention = 30 * 24 * time.Hour

	DefaultDecisionsMaxSize     = 100 // MiB
	DefaultDecisionsMaxFiles    = 10
	DefaultMaxStreamsPerSubject = 100

	DefaultDatabaseMaxConnections = 10
	DefaultDatabaseTimeout        = 10 * time.Second
)

// AdminNone is the Config.AdminAddr of a Server without that listener.
const AdminNone = "none"

// The Config.Decisions that are no path.
const (
	DecisionsNone   = decisions.None
	DecisionsStdout = decisions.Stdout
)

// Config configures a server.Server. Only Issuers are required; the zero value of every
// other field is the default that is documented with it.
type Config struct {
	// HTTPAddr is where Connect, gRPC and gRPC-Web are served, host:port. Port 0
	// takes a free one. Default: DefaultHTTPAddr, every interface.
	HTTPAddr string
	// GRPCAddr is where the same services are served by grpc-go, which costs
	// less for each call. Default: DefaultGRPCAddr, every interface.
	GRPCAddr string
	// AdminAddr is where operators read metrics (/metrics), and their probes the health (/livez
	// and /readyz), in plaintext and without a token. Do not let strangers reach it. AdminNone
	// is no such listener. Default: DefaultAdminAddr, this machine alone.
	AdminAddr string
	// Profiling serves the profiles of net/http/pprof on AdminAddr, below /debug/pprof/.
	// Their reader learns how the program works, and can slow it down. Default: off.
	Profiling bool
	// HTTPListener is used instead of HTTPAddr where it is given, by a caller
	// that needs its port before the rest of the Config. New takes it over, and
	// closes it when New fails.
	HTTPListener net.Listener
	// TLSCert and TLSKey are PEM files with a certificate chain and its private
	// key, for both listeners. Give both or neither. They are read again every few seconds, and
	// by Server.Reload: a pair that was renewed counts for new connections, and one that does
	// not match or has expired is a fault at the start, and later a warning. Default: plaintext, which
	// belongs behind a proxy that ends TLS, or on loopback.
	TLSCert, TLSKey string
	// TrustedProxies are addresses, and networks such as 10.0.0.0/8, of proxies in front of the
	// listeners for callers. If one of them calls, the client that its X-Forwarded-For or
	// Forwarded header (RFC 7239) names is the peer in the log, in sessions and in decisions.
	// Headers of others are ignored. Default: none.
	TrustedProxies []string
	// ProxyProtocol is for proxies that pass on bytes: each connection must begin with a PROXY
	// protocol header (version 1 or 2), and come from one of the TrustedProxies; others are
	// closed. Default: off.
	ProxyProtocol bool

	// Issuers are those whose tokens are accepted. At least one; no two with
	// the same URL.
	Issuers []Issuer
	// ResourceURL is this server's URL as OAuth clients know it: https, or http on a
	// loopback host, without query or fragment. Where it is given, its metadata are
	// served to everybody (RFC 9728) and named in challenges. Default: none.
	ResourceURL string
	// CORS says which web pages may call. Default: none.
	CORS CORS
	// Reflection lets anybody read the schema. Default: off.
	Reflection bool
	// Console is the page for browsers. Default: none.
	Console Console
	// RequestTimeout is how long the request of a unary call may take to arrive
	// whole, on both listeners, and the body of a request to one of the Routes. A
	// call whose request takes longer ends with DEADLINE_EXCEEDED, and its handler
	// does not run. Streams are not bounded by it: their lease ends them. Default:
	// DefaultRequestTimeout.
	RequestTimeout time.Duration
	// MaxStreamsPerSubject is how many streams a subject may have open at once, over all its
	// sessions; one more is refused with TOO_MANY_STREAMS. Followers of the feed are not
	// bounded. Default: DefaultMaxStreamsPerSubject.
	MaxStreamsPerSubject int
	// MaxStreams is how many streams may be open at once, without those of followers. Callers
	// without a token have half of them at most. Default: as many as fit into a third of the
	// memory that Go may use (GOMEMLIMIT), and 100,000 where that has no limit.
	MaxStreams int
	// MaxConnections is how many connections may be open at once, on both ports and SignalsAddr
	// together; one more is closed at once. Default: as many as fit into a third of the memory
	// that Go may use, and 20,000 where that has no limit.
	MaxConnections int
	// MaxConnectionsPerAddress is how many of them may come from one address, or one network
	// of 64 bits of IPv6. TrustedProxies are exempt; with ProxyProtocol it bounds each client
	// that they name. Default: half of MaxConnections.
	MaxConnectionsPerAddress int
	// DrainDelay is how long everything is still served once Run's context has ended, while
	// readiness and health say no, so that load balancers turn to other servers before this
	// one closes its ports. Negative for none. Default: DefaultDrainDelay.
	DrainDelay time.Duration
	// ShutdownTimeout is how long calls under way may take to finish after DrainDelay;
	// then they are cut off. Default: DefaultShutdownTimeout.
	ShutdownTimeout time.Duration

	// DataDir is the directory of the sessions that were seen and of the
	// revocations. It is created if it is missing, for its owner alone. Default:
	// DefaultDataDir.
	DataDir string
	// DatabaseURL is a database to use instead: postgres://user@host/database, where
	// the variables of libpq, such as PGPASSWORD, give what it leaves out; or sqlite:
	// and the path of a file. Servers that share a PostgreSQL database share sessions
	// and revocations. Default: ostiary.db in DataDir.
	DatabaseURL string
	// DatabaseMaxConnections bounds the connections of this server to PostgreSQL,
	// besides one that listens for changes. Default: DefaultDatabaseMaxConnections.
	DatabaseMaxConnections int
	// DatabaseTimeout bounds each use of PostgreSQL, including the wait for a
	// connection and for other writers. Default: DefaultDatabaseTimeout.
	DatabaseTimeout time.Duration
	// DatabaseEssential says that the server is not ready while the database cannot be read, or
	// takes no writes. Servers that share one then stop being ready all at once. Default:
	// tokens are verified by what was revoked until then, and the server stays ready. In any
	// case New fails if the database cannot be read at the start.
	DatabaseEssential bool
	// SessionRetention is how long a session is listed after it was last seen, and
	// how long a revoked session is refused. If its issuer continues the session
	// for longer, it is accepted again. Default: DefaultSessionRetention.
	SessionRetention time.Duration
	// OperatorSubjects may see and end every session, and revoke any token. Each
	// is written issuer#subject, or as the subject alone if there is one issuer.
	// They are users or machines that act in person: an impersonator (RFC 8693) is
	// no operator, and an application that acts for one with an OAuth token is one
	// only if the token has OperatorPermission as a scope. Default: nobody.
	OperatorSubjects []string
	// OperatorPermission makes operators of all callers whose token has this
	// permission, from any issuer, if they act in person as OperatorSubjects must. A
	// scope by this name makes no operator, but lets an application act for one.
	// Default: none.
	OperatorPermission string
	// Backends are other servers of yours, whose rules are shown beside the server's own, and whose
	// methods can be called from the console. Default: none.
	Backends []Backend
	// FeedPermission lets machines follow the feed of revocations whose token has it as a
	// permission or a scope, from any issuer. Default: none.
	FeedPermission string
	// FeedSecret lets services follow that send it as the bearer token. It can be several,
	// so that the services can change from one to another. Each has at least 32 bytes, and
	// only characters of a bearer token. Without one, and without FeedPermission, nobody
	// can follow. Default: none.
	FeedSecret []string
	// FeedSecretFile is a file with more such secrets, each on a line of its own. It is
	// read at the start, and by Server.Reload. Default: none.
	FeedSecretFile string
	// Follow makes the server a relay of a hub, without a database. Default: none.
	Follow Follow
	// ClerkWebhookSecret is what Clerk signs its webhooks with that are sent to
	// /signals/clerk, as its dashboard shows it: whsec_ and base64. What they say has ended
	// is revoked. It can be several, while one is replaced. One of the Issuers must be
	// Clerk's; where several are, give each of them an entry of Signals. Default: none, and
	// there is no such path.
	ClerkWebhookSecret []string
	// ClerkWebhookSecretFile is a file with more such secrets, each on a line of its own. It is
	// read at the start, and by Server.Reload. Default: none.
	ClerkWebhookSecretFile string
	// Signals are further senders of messages that say what has ended at an issuer. Default:
	// none.
	Signals []SignalSource
	// SignalsAddr is where the messages of issuers are received that are sent to a path
	// below /signals/, host:port, and nothing else is served. Default: HTTPAddr.
	SignalsAddr string
	// SignalsTransmitterURL is this server's URL, without a path, as receivers of security
	// events know it (Shared Signals 1.0): https, or http on a loopback host. Where it is given,
	// who may follow the feed may have streams on which the revocations are sent. Default:
	// none.
	SignalsTransmitterURL string
	// AllowPrivateReceivers lets security events be pushed to addresses of this machine and of
	// private networks, which the owners of streams name. Default: to the internet alone.
	AllowPrivateReceivers bool

	// Rules give methods another rule than the schema does, or than is built in
	// for health and reflection:
	//
	//	policy.Override("/grpc.health.v1.Health/Watch", rule)
	//
	// A rule for anything that the Server does not have is a fault, as is a public
	// one for anything but health and reflection. Default: none.
	Rules []policy.Option

	// Routes are handlers that are served beside the services, by their http.ServeMux
	// pattern. No guard is in front of them: they are served to everybody, without a token,
	// and httpauth.RequireGuard does not look for one. Wrap what is not for everybody in
	// httpauth.Protect, with a guard of your own. Default: none.
	Routes map[string]http.Handler
	// Logger receives one record for each call, and the start, the stop and the
	// faults of the server. No record holds a token. Default: slog.Default().
	Logger *slog.Logger
	// Decisions is where a record of each decision about a call is written, as a line of JSON:
	// the path of a file, which only this user may read, in a directory that exists; or
	// DecisionsStdout. No record holds a token. Default: DecisionsNone.
	Decisions string
	// DecisionsMaxSize is how many MiB the file has before it is set aside, under a name with
	// the time, and another is begun. Default: DefaultDecisionsMaxSize.
	DecisionsMaxSize int
	// DecisionsMaxFiles is how many files that were set aside are kept. Default:
	// DefaultDecisionsMaxFiles.
	DecisionsMaxFiles int
	// TraceIdentities puts the subject, the session and the issuer of callers into traces.
	// Default: traces do not say who called.
	TraceIdentities bool
	// DroppedLogLines returns how many lines the Logger has dropped since the start, for
	// metrics. It must be safe for concurrent use. Optional.
	DroppedLogLines func() uint64
	// Version is that of the program, for metrics and the log. Default: that of its main module.
	Version string
	// Revision is the commit that the program was built from, for metrics and the log.
	// Default: the one that the toolchain has recorded.
	Revision string
	// Now is the clock for tokens and keys. Default: time.Now.
	Now func() time.Time
}

// WithDefaults returns the Config with every default filled in.
func (c Config) WithDefaults() Config {
	c.HTTPAddr = cmp.Or(c.HTTPAddr, DefaultHTTPAddr)
	c.GRPCAddr = cmp.Or(c.GRPCAddr, DefaultGRPCAddr)
	c.AdminAddr = cmp.Or(c.AdminAddr, DefaultAdminAddr)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.DrainDelay = cmp.Or(c.DrainDelay, DefaultDrainDelay)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.DataDir = cmp.Or(c.DataDir, DefaultDataDir)
	c.DatabaseMaxConnections = cmp.Or(c.DatabaseMaxConnections, DefaultDatabaseMaxConnections)
	c.DatabaseTimeout = cmp.Or(c.DatabaseTimeout, DefaultDatabaseTimeout)
	c.MaxStreamsPerSubject = cmp.Or(c.MaxStreamsPerSubject, DefaultMaxStreamsPerSubject)
	streams, connections := bounds.Defaults()
	c.MaxStreams = cmp.Or(c.MaxStreams, streams)
	c.MaxConnections = cmp.Or(c.MaxConnections, connections)
	c.MaxConnectionsPerAddress = cmp.Or(c.MaxConnectionsPerAddress, (c.MaxConnections+1)/2)
	c.SessionRetention = cmp.Or(c.SessionRetention, DefaultSessionRetention)
	c.Decisions = cmp.Or(c.Decisions, DecisionsNone)
	c.DecisionsMaxSize = cmp.Or(c.DecisionsMaxSize, DefaultDecisionsMaxSize)
	c.DecisionsMaxFiles = cmp.Or(c.DecisionsMaxFiles, DefaultDecisionsMaxFiles)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// StoreFile returns the path of the SQLite database; "" for PostgreSQL.
func (c Config) StoreFile() string {
	return ledger.StoreConfig{URL: c.DatabaseURL, DataDir: c.WithDefaults().DataDir}.File()
}

// CORS says which web pages may call from a browser. The zero value allows
// none: no CORS header is ever sent.
type CORS struct {
	// AllowedOrigins are compared exactly with the Origin header: scheme, host
	// and port. One label may be a wildcard, the first:
	// https://*.example.com matches https://app.example.com, and neither
	// https://example.com nor https://a.b.example.com. A single * allows every
	// page and is refused unless WithoutCredentials is set. The origin null is
	// never allowed.
	AllowedOrigins []string
	// AllowedHeaders are headers that pages may add to their calls, beside those
	// of the protocols, Authorization, and those of tracing: traceparent,
	// tracestate, baggage, sentry-trace and x-request-id. Case does not matter.
	// Default: no others.
	AllowedHeaders []string
	// WithoutCredentials keeps browsers from sending cookies along. Default:
	// credentials are allowed, since origins are exact.
	WithoutCredentials bool
}

// A Console is the page at / on which users see who they are, which sessions
// they have, and what they may call, and operators what was decided about calls.
// The zero value serves none.
//
// The page calls this server and the Backends with a URL, and shows its version to everybody who can
// open it. It has a strict Content-Security-Policy, in which Clerk is allowed only where a
// PublishableKey is given, an issuer's endpoints only where it has a Console, and the origins of the
// Backends.
type Console struct {
	// Enabled serves the page.
	Enabled bool
	// PublishableKey is Clerk's, for signing in on the page. Without one, without Personas,
	// and without a Console of an Issuer, users paste a token.
	PublishableKey string
	// Personas are offered for signing in. The development issuer must then be
	// among the Routes.
	Personas bool
}
