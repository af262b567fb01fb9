package settings

import (
	"strconv"
	"time"

	"github.com/ostiary/ostiary/server/settings"
)

// table lists every setting, in the order of docs/configuration.md.
func table() []setting[Settings] {
	all := []setting[Settings]{
		{
			key: "http_addr", env: []string{"OSTIARY_HTTP_ADDR"}, def: settings.DefaultHTTPAddr, dev: true,
			help:   "Address for Connect, gRPC and gRPC-Web, as host:port; port 0 picks a free port.",
			format: text(func(s *Settings) *string { return &s.Server.HTTPAddr }),
		},
		{
			key: "grpc_addr", env: []string{"OSTIARY_GRPC_ADDR"}, def: settings.DefaultGRPCAddr, dev: true,
			help:   "Address for native gRPC: the same services, at less CPU per call.",
			format: text(func(s *Settings) *string { return &s.Server.GRPCAddr }),
		},
		{
			key: "admin_addr", env: []string{"OSTIARY_ADMIN_ADDR"}, def: settings.DefaultAdminAddr, dev: true,
			help:   "Address for operators: /metrics for Prometheus, /livez and /readyz for probes, in plaintext and without a token; or none. Do not let strangers reach it.",
			format: text(func(s *Settings) *string { return &s.Server.AdminAddr }),
		},
		{
			key: "profiling", env: []string{"OSTIARY_PROFILING"}, def: "false", dev: true,
			help:   "Serve Go's profiles on admin_addr, below /debug/pprof/.",
			format: boolean(func(s *Settings, on bool) { s.Server.Profiling = on }),
		},
		{
			key: "decisions", env: []string{"OSTIARY_DECISIONS"}, def: settings.DecisionsNone, dev: true,
			help:   "Where a record of each decision about a call is written, as a line of JSON: the path of a file, in a directory that exists; stdout; or none.",
			format: text(func(s *Settings) *string { return &s.Server.Decisions }),
		},
		{
			key: "decisions_max_size", env: []string{"OSTIARY_DECISIONS_MAX_SIZE"}, def: strconv.Itoa(settings.DefaultDecisionsMaxSize), dev: true,
			help:   "Size in MiB at which that file is set aside, under a name with the time, and another is begun.",
			format: count(func(s *Settings) *int { return &s.Server.DecisionsMaxSize }),
		},
		{
			key: "decisions_max_files", env: []string{"OSTIARY_DECISIONS_MAX_FILES"}, def: strconv.Itoa(settings.DefaultDecisionsMaxFiles), dev: true,
			help:   "How many files that were set aside are kept.",
			format: count(func(s *Settings) *int { return &s.Server.DecisionsMaxFiles }),
		},
		{
			key: "trace_identities", env: []string{"OSTIARY_TRACE_IDENTITIES"}, def: "false", dev: true,
			help:   "Name callers in traces, by subject, session and issuer. OpenTelemetry's own variables say where traces are sent.",
			format: boolean(func(s *Settings, on bool) { s.Server.TraceIdentities = on }),
		},
		{
			key: "tls_cert", env: []string{"OSTIARY_TLS_CERT"},
			help:   "PEM file with the certificate chain, for both addresses. Without it, both serve plaintext. Renew it and its key in place: the files are read every few seconds.",
			format: text(func(s *Settings) *string { return &s.Server.TLSCert }),
		},
		{
			key: "tls_key", env: []string{"OSTIARY_TLS_KEY"},
			help:   "PEM file with the certificate's private key.",
			format: text(func(s *Settings) *string { return &s.Server.TLSKey }),
		},
		{
			key: "trusted_proxies", env: []string{"OSTIARY_TRUSTED_PROXIES"},
			help:   "Addresses, and networks such as 10.0.0.0/8, of your proxies. Who they say has called, by X-Forwarded-For or Forwarded, is the peer in the log, in sessions and in decisions; others cannot say.",
			format: list(func(s *Settings) *[]string { return &s.Server.TrustedProxies }),
		},
		{
			key: "proxy_protocol", env: []string{"OSTIARY_PROXY_PROTOCOL"}, def: "false",
			help:   "Expect the PROXY protocol (version 1 or 2) on every connection for callers, and close those that do not come from trusted_proxies.",
			format: boolean(func(s *Settings, on bool) { s.Server.ProxyProtocol = on }),
		},
		{
			key: "publishable_key", env: []string{"OSTIARY_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"},
			help:   "Clerk's publishable key, for sign-in on the console. If no issuer is set, it is read from this key.",
			format: text(func(s *Settings) *string { return &s.Server.Console.PublishableKey }),
		},
	}
	for _, s := range issuerTable() {
		all = append(all, ofDescribed(s))
	}
	return append(all,
		setting[Settings]{
			key: "cors_allowed_origins", env: []string{"CORS_ALLOWED_ORIGINS"}, dev: true,
			help:   "Exact origins of web pages that may call; in https://*.example.com the * matches one label. Pages of other origins cannot call.",
			format: list(func(s *Settings) *[]string { return &s.Server.CORS.AllowedOrigins }),
		},
		setting[Settings]{
			key: "cors_allowed_headers", env: []string{"CORS_ALLOWED_HEADERS"}, dev: true,
			help:   "Request headers that web pages may send, besides those of the protocols, authorization, traceparent, tracestate, baggage, sentry-trace and x-request-id.",
			format: list(func(s *Settings) *[]string { return &s.Server.CORS.AllowedHeaders }),
		},
		setting[Settings]{
			key: "cors_allow_credentials", env: []string{"CORS_ALLOW_CREDENTIALS"}, def: "true", dev: true,
			help:   "Let browsers send cookies with cross-origin calls.",
			format: boolean(func(s *Settings, on bool) { s.Server.CORS.WithoutCredentials = !on }),
		},
		setting[Settings]{
			key: "resource_url", env: []string{"OSTIARY_RESOURCE_URL"}, dev: true,
			help:   "URL of this server as OAuth clients know it. Publishes who issues tokens for it and which scopes there are (RFC 9728), and names that in challenges.",
			format: text(func(s *Settings) *string { return &s.Server.ResourceURL }),
		},
		setting[Settings]{
			key: "reflection", env: []string{"OSTIARY_REFLECTION"}, def: "false", dev: true,
			help:   "Serve gRPC reflection publicly (for buf curl and grpcurl).",
			format: boolean(func(s *Settings, on bool) { s.Server.Reflection = on }),
		},
		setting[Settings]{
			key: "console", env: []string{"OSTIARY_CONSOLE"}, def: "false", dev: true,
			help:   "Serve the browser console at /: who you are, your sessions, and what you may call.",
			format: boolean(func(s *Settings, on bool) { s.Server.Console.Enabled = on }),
		},
		setting[Settings]{
			key: "request_timeout", env: []string{"OSTIARY_REQUEST_TIMEOUT"}, def: settings.DefaultRequestTimeout.String(), dev: true,
			help:   "How long the request of a unary call may take to arrive whole. Streams are not limited.",
			format: duration(func(s *Settings) *time.Duration { return &s.Server.RequestTimeout }),
		},
		setting[Settings]{
			key: "drain_delay", env: []string{"OSTIARY_DRAIN_DELAY"}, def: settings.DefaultDrainDelay.String(), dev: true,
			help:   "How long everything is still served when the server is about to stop, while readiness and health say no. Longer than load balancers need to see that; 0s for none.",
			format: tolerance(func(s *Settings) *time.Duration { return &s.Server.DrainDelay }),
		},
		setting[Settings]{
			key: "max_streams_per_subject", env: []string{"OSTIARY_MAX_STREAMS_PER_SUBJECT"}, def: strconv.Itoa(settings.DefaultMaxStreamsPerSubject), dev: true,
			help:   "How many streams a subject may have open at once, over all its sessions. One more is refused with TOO_MANY_STREAMS. Followers of the feed are not bounded.",
			format: count(func(s *Settings) *int { return &s.Server.MaxStreamsPerSubject }),
		},
		setting[Settings]{
			key: "max_streams", env: []string{"OSTIARY_MAX_STREAMS"}, dev: true,
			help:   "How many streams may be open at once, without those of followers. Callers without a token have half of them at most. Default: as many as fit into a third of the memory (GOMEMLIMIT, or that of the container).",
			format: count(func(s *Settings) *int { return &s.Server.MaxStreams }),
		},
		setting[Settings]{
			key: "max_connections", env: []string{"OSTIARY_MAX_CONNECTIONS"}, dev: true,
			help:   "How many connections may be open at once, without those to admin_addr. One more is closed at once. Default: as many as fit into a third of the memory.",
			format: count(func(s *Settings) *int { return &s.Server.MaxConnections }),
		},
		setting[Settings]{
			key: "max_connections_per_address", env: []string{"OSTIARY_MAX_CONNECTIONS_PER_ADDRESS"}, dev: true,
			help:   "How many of them may come from one address, or one IPv6 network of 64 bits; trusted_proxies are exempt; with proxy_protocol it bounds each client that they name. Default: half of max_connections.",
			format: count(func(s *Settings) *int { return &s.Server.MaxConnectionsPerAddress }),
		},
		setting[Settings]{
			key: "shutdown_timeout", env: []string{"OSTIARY_SHUTDOWN_TIMEOUT"}, def: settings.DefaultShutdownTimeout.String(), dev: true,
			help:   "How long calls in progress may take to finish after drain_delay; then they are cut off.",
			format: duration(func(s *Settings) *time.Duration { return &s.Server.ShutdownTimeout }),
		},
		setting[Settings]{
			key: "data_dir", env: []string{"OSTIARY_DATA_DIR"}, def: settings.DefaultDataDir, dev: true,
			help:   "Directory for sessions and revocations; created if missing.",
			format: text(func(s *Settings) *string { return &s.Server.DataDir }),
		},
		setting[Settings]{
			key: "database_url", env: []string{"DATABASE_URL"}, dev: true,
			help:   "PostgreSQL database, as postgres://user@host/database; PGPASSWORD and libpq's other variables give what it leaves out. Or an SQLite file, as sqlite:PATH. Default: ostiary.db in the data directory.",
			format: text(func(s *Settings) *string { return &s.Server.DatabaseURL }),
		},
		setting[Settings]{
			key: "database_essential", env: []string{"OSTIARY_DATABASE_ESSENTIAL"}, def: "false", dev: true,
			help:   "Whether the server is not ready while the database cannot be read or takes no writes. Otherwise it goes on verifying tokens by what was revoked until then.",
			format: boolean(func(s *Settings, on bool) { s.Server.DatabaseEssential = on }),
		},
		setting[Settings]{
			key: "database_max_connections", env: []string{"OSTIARY_DATABASE_MAX_CONNECTIONS"}, def: strconv.Itoa(settings.DefaultDatabaseMaxConnections), dev: true,
			help:   "How many connections to PostgreSQL this server may open, besides one that listens for changes.",
			format: count(func(s *Settings) *int { return &s.Server.DatabaseMaxConnections }),
		},
		setting[Settings]{
			key: "database_timeout", env: []string{"OSTIARY_DATABASE_TIMEOUT"}, def: settings.DefaultDatabaseTimeout.String(), dev: true,
			help:   "How long PostgreSQL may take for each use of it, including the wait for a connection and for other writers.",
			format: duration(func(s *Settings) *time.Duration { return &s.Server.DatabaseTimeout }),
		},
		setting[Settings]{
			key: "session_retention", env: []string{"OSTIARY_SESSION_RETENTION"}, def: settings.DefaultSessionRetention.String(), dev: true,
			help:   "How long sessions stay listed after last use, and revoked sessions stay refused.",
			format: duration(func(s *Settings) *time.Duration { return &s.Server.SessionRetention }),
		},
		setting[Settings]{
			key: "operator_subjects", env: []string{"OSTIARY_OPERATOR_SUBJECTS"}, dev: true,
			help:   "Subjects that may list and end every session, as issuer#subject, or the subject alone with one issuer. Not while impersonated, nor through an OAuth application without operator_permission as a scope.",
			format: list(func(s *Settings) *[]string { return &s.Server.OperatorSubjects }),
		},
		setting[Settings]{
			key: "operator_permission", env: []string{"OSTIARY_OPERATOR_PERMISSION"}, dev: true,
			help:   "Permission that makes a caller an operator, from any issuer; as a scope, it lets an OAuth application act for one.",
			format: text(func(s *Settings) *string { return &s.Server.OperatorPermission }),
		},
		setting[Settings]{
			key: "backends", env: []string{"OSTIARY_BACKENDS"}, dev: true,
			help:   "Other servers of yours, as name=URL of one with gRPC reflection, name=FILE that buf build -o FILE has made, or both: the console and AccessService show their rules to everybody with a valid token, and the console calls those with a URL. The YAML file can say more of each.",
			format: backendsFormat(),
		},
		setting[Settings]{
			key: "feed_permission", env: []string{"OSTIARY_FEED_PERMISSION"}, dev: true,
			help:   "Permission, or scope, with which a machine's token may follow the feed of revocations, from any issuer whose machines are accepted.",
			format: text(func(s *Settings) *string { return &s.Server.FeedPermission }),
		},
		setting[Settings]{
			key: "feed_secret", env: []string{"OSTIARY_FEED_SECRET"}, secret: true, dev: true,
			help:   "Secret with which services may follow the feed of revocations, sent as the bearer token; at least 32 bytes. A list while services change from one to another.",
			format: list(func(s *Settings) *[]string { return &s.Server.FeedSecret }),
		},
		setting[Settings]{
			key: "feed_secret_file", env: []string{"OSTIARY_FEED_SECRET_FILE"}, dev: true,
			help:   "File with such secrets, one a line; read at the start and at SIGHUP.",
			format: text(func(s *Settings) *string { return &s.Server.FeedSecretFile }),
		},
		setting[Settings]{
			key: "clerk_webhook_secret", env: []string{"OSTIARY_CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"}, secret: true,
			help:   "Signing secret of Clerk's webhooks to /signals/clerk: what they say has ended is revoked. A list while one is replaced.",
			format: list(func(s *Settings) *[]string { return &s.Server.ClerkWebhookSecret }),
		},
		setting[Settings]{
			key: "clerk_webhook_secret_file", env: []string{"OSTIARY_CLERK_WEBHOOK_SECRET_FILE"},
			help:   "File with such secrets, one a line; read at the start and at SIGHUP.",
			format: text(func(s *Settings) *string { return &s.Server.ClerkWebhookSecretFile }),
		},
		setting[Settings]{
			key: "signals_transmitter_url", env: []string{"OSTIARY_SIGNALS_TRANSMITTER_URL"}, dev: true,
			help:   "This server's URL, without a path, as receivers of security events know it (Shared Signals 1.0). With it, those who may follow the feed may have the revocations sent to them as events.",
			format: text(func(s *Settings) *string { return &s.Server.SignalsTransmitterURL }),
		},
		setting[Settings]{
			key: "signals_transmitter_allow_private", env: []string{"OSTIARY_SIGNALS_TRANSMITTER_ALLOW_PRIVATE"}, dev: true,
			help:   "Lets events be pushed to addresses of this machine and of private networks, which the owners of streams name.",
			format: boolean(func(s *Settings, on bool) { s.Server.AllowPrivateReceivers = on }),
		},
		setting[Settings]{
			key: "signals_addr", env: []string{"OSTIARY_SIGNALS_ADDR"},
			help:   "Address for the messages of issuers, to paths below /signals/, where nothing else is served. Default: http_addr.",
			format: text(func(s *Settings) *string { return &s.Server.SignalsAddr }),
		},
		setting[Settings]{
			key: "follow", env: []string{"OSTIARY_FOLLOW"},
			help:   "URLs of hubs with the same database, to follow one of them as a relay: a server without a database that answers followers of its own. Sessions are listed and ended at the hub.",
			format: list(func(s *Settings) *[]string { return &s.Server.Follow.Hubs }),
		},
		setting[Settings]{
			key: "follow_secret", env: []string{"OSTIARY_FOLLOW_SECRET"}, secret: true,
			help:   "Feed secret of the hub to follow with; with follow_token_url, the secret of the OAuth client.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.Secret }),
		},
		setting[Settings]{
			key: "follow_secret_file", env: []string{"OSTIARY_FOLLOW_SECRET_FILE"},
			help:   "File with that secret instead; read at the start and at SIGHUP.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.SecretFile }),
		},
		setting[Settings]{
			key: "follow_token_url", env: []string{"OSTIARY_FOLLOW_TOKEN_URL"},
			help:   "Token endpoint of an authorization server, to follow with an OAuth client's own token instead of a feed secret.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.TokenURL }),
		},
		setting[Settings]{
			key: "follow_client_id", env: []string{"OSTIARY_FOLLOW_CLIENT_ID"},
			help:   "Id of that OAuth client.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.ClientID }),
		},
		setting[Settings]{
			key: "follow_audience", env: []string{"OSTIARY_FOLLOW_AUDIENCE"},
			help:   "Audience to request for its token.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.Audience }),
		},
		setting[Settings]{
			key: "follow_scopes", env: []string{"OSTIARY_FOLLOW_SCOPES"},
			help:   "Scopes to request for its token, such as the hub's feed_permission.",
			format: list(func(s *Settings) *[]string { return &s.Server.Follow.Scopes }),
		},
		setting[Settings]{
			key: "follow_insecure_http", env: []string{"OSTIARY_FOLLOW_INSECURE_HTTP"}, def: "false",
			help:   "Accept plain http for hubs elsewhere than on loopback. An attacker who can read what the network carries can then follow, and one who can change it can hide revocations.",
			format: boolean(func(s *Settings, on bool) { s.Server.Follow.InsecureHTTP = on }),
		},
		setting[Settings]{
			key: "follow_snapshot", env: []string{"OSTIARY_FOLLOW_SNAPSHOT"},
			help:   "File that keeps the hub's revocations over restarts, so a relay that restarts while no hub is reachable serves what it knew. Only this user may write in its directory.",
			format: text(func(s *Settings) *string { return &s.Server.Follow.Snapshot }),
		},
		setting[Settings]{
			key: "log_format", env: []string{"OSTIARY_LOG_FORMAT"}, def: "text", dev: true,
			help:   "Format of the log on standard error: text or json.",
			format: choice(func(s *Settings) *string { return &s.logFormat }, "text", "json"),
		},
		setting[Settings]{
			key: "log_level", env: []string{"OSTIARY_LOG_LEVEL"}, def: "info", dev: true,
			help:   "Log level: debug (includes health checks), info (every call), warn or error.",
			format: choice(func(s *Settings) *string { return &s.logLevel }, "debug", "info", "warn", "error"),
		},
	)
}

// ofDescribed makes a setting of an issuer one of the issuer that flags and
// environment describe.
func ofDescribed(s setting[settings.Issuer]) setting[Settings] {
	return setting[Settings]{
		key: keyOfDescribed(s.key), env: s.env, def: s.def, help: s.help, secret: s.secret,
		format: format[Settings]{s.format.name, func(t *Settings, value any) error {
			return s.format.set(&t.Issuer, value)
		}},
	}
}
