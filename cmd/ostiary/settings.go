package main

import (
	"log/slog"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// settings is what the flags, the environment and the files say.
type settings struct {
	server    server.Config
	issuer    server.Issuer // the one that flags and environment describe
	logFormat string
	logLevel  string
}

// table lists every setting; flags, help, docs/configuration.md and the loading
// are made from it.
func table() []setting[settings] {
	all := []setting[settings]{
		{
			key: "http_addr", env: []string{"OSTIARY_HTTP_ADDR"}, def: server.DefaultHTTPAddr, dev: true,
			help: "Address for Connect, gRPC and gRPC-Web, as host:port; port 0 picks a free port.",
			kind: text(func(s *settings) *string { return &s.server.HTTPAddr }),
		},
		{
			key: "grpc_addr", env: []string{"OSTIARY_GRPC_ADDR"}, def: server.DefaultGRPCAddr, dev: true,
			help: "Address for native gRPC: the same services, at less CPU per call.",
			kind: text(func(s *settings) *string { return &s.server.GRPCAddr }),
		},
		{
			key: "tls_cert", env: []string{"OSTIARY_TLS_CERT"},
			help: "PEM file with the certificate chain, for both addresses. Without it, both serve plaintext.",
			kind: text(func(s *settings) *string { return &s.server.TLSCert }),
		},
		{
			key: "tls_key", env: []string{"OSTIARY_TLS_KEY"},
			help: "PEM file with the certificate's private key.",
			kind: text(func(s *settings) *string { return &s.server.TLSKey }),
		},
		{
			key: "publishable_key", env: []string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY"},
			help: "Clerk's publishable key, for sign-in on the console. If no issuer is set, it is read from this key.",
			kind: text(func(s *settings) *string { return &s.server.Console.PublishableKey }),
		},
	}
	for _, s := range issuerTable() {
		all = append(all, ofTheOneIssuer(s))
	}
	return append(all,
		setting[settings]{
			key: "cors_allowed_origins", env: []string{"CORS_ALLOWED_ORIGINS"}, dev: true,
			help: "Exact origins of web pages that may call; in https://*.example.com the * matches one label. Pages of other origins cannot call.",
			kind: list(func(s *settings) *[]string { return &s.server.CORS.AllowedOrigins }),
		},
		setting[settings]{
			key: "cors_allow_credentials", env: []string{"CORS_ALLOW_CREDENTIALS"}, def: "true", dev: true,
			help: "Let browsers send cookies with cross-origin calls.",
			kind: boolean(func(s *settings, on bool) { s.server.CORS.WithoutCredentials = !on }),
		},
		setting[settings]{
			key: "reflection", env: []string{"OSTIARY_REFLECTION"}, def: "false", dev: true,
			help: "Serve gRPC reflection publicly (for buf curl and grpcurl).",
			kind: boolean(func(s *settings, on bool) { s.server.Reflection = on }),
		},
		setting[settings]{
			key: "console", env: []string{"OSTIARY_CONSOLE"}, def: "false", dev: true,
			help: "Serve the browser console at /: who you are, your sessions, and what you may call.",
			kind: boolean(func(s *settings, on bool) { s.server.Console.Enabled = on }),
		},
		setting[settings]{
			key: "shutdown_timeout", env: []string{"OSTIARY_SHUTDOWN_TIMEOUT"}, def: server.DefaultShutdownTimeout.String(), dev: true,
			help: "How long calls in progress may take to finish when the server stops.",
			kind: duration(func(s *settings) *time.Duration { return &s.server.ShutdownTimeout }),
		},
		setting[settings]{
			key: "data_dir", env: []string{"OSTIARY_DATA_DIR"}, def: server.DefaultDataDir, dev: true,
			help: "Directory for sessions and revocations; created if missing.",
			kind: text(func(s *settings) *string { return &s.server.DataDir }),
		},
		setting[settings]{
			key: "database_url", env: []string{"DATABASE_URL"}, dev: true,
			help: "SQLite database, as sqlite:PATH. Default: ostiary.db in the data directory.",
			kind: text(func(s *settings) *string { return &s.server.DatabaseURL }),
		},
		setting[settings]{
			key: "session_retention", env: []string{"OSTIARY_SESSION_RETENTION"}, def: server.DefaultSessionRetention.String(), dev: true,
			help: "How long sessions stay listed after last use, and revoked sessions stay refused.",
			kind: duration(func(s *settings) *time.Duration { return &s.server.SessionRetention }),
		},
		setting[settings]{
			key: "operator_subjects", env: []string{"OSTIARY_OPERATOR_SUBJECTS"}, dev: true,
			help: "Subjects that may list and end every session, as issuer#subject, or the subject alone with one issuer. Not while impersonated, nor through an OAuth application without operator_permission as a scope.",
			kind: list(func(s *settings) *[]string { return &s.server.OperatorSubjects }),
		},
		setting[settings]{
			key: "operator_permission", env: []string{"OSTIARY_OPERATOR_PERMISSION"}, dev: true,
			help: "Permission that makes a caller an operator, from any issuer; as a scope, it lets an OAuth application act for one.",
			kind: text(func(s *settings) *string { return &s.server.OperatorPermission }),
		},
		setting[settings]{
			key: "log_format", env: []string{"OSTIARY_LOG_FORMAT"}, def: "text", dev: true,
			help: "Format of the log on standard error: text or json.",
			kind: choice(func(s *settings) *string { return &s.logFormat }, "text", "json"),
		},
		setting[settings]{
			key: "log_level", env: []string{"OSTIARY_LOG_LEVEL"}, def: "info", dev: true,
			help: "Log level: debug (includes health checks), info (every call), warn or error.",
			kind: choice(func(s *settings) *string { return &s.logLevel }, "debug", "info", "warn", "error"),
		},
	)
}

// ofTheOneIssuer makes a setting of an issuer one of the issuer that flags and
// environment describe. Its URL is then called issuer.
func ofTheOneIssuer(s setting[server.Issuer]) setting[settings] {
	if s.key == "url" {
		s.key = "issuer"
	}
	return setting[settings]{
		key: s.key, env: s.env, def: s.def, help: s.help,
		kind: kind[settings]{s.kind.name, func(t *settings, value any) error {
			return s.kind.set(&t.issuer, value)
		}},
	}
}

// level is never at fault: the table allows only names that slog has.
func (s *settings) level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.logLevel))
	return level
}

// issuerTable lists what can be said of each issuer.
func issuerTable() []setting[server.Issuer] {
	return []setting[server.Issuer]{
		{
			key: "url", env: []string{"CLERK_JWT_ISSUER"},
			help: "Exact iss claim of the tokens: an https URL, or http on loopback.",
			kind: text(func(i *server.Issuer) *string { return &i.URL }),
		},
		{
			key: "profile", env: []string{"OSTIARY_PROFILE"}, def: "clerk",
			help: "The provider whose token format to expect: " + profileNames() + ", or oidc for any other.",
			kind: text(func(i *server.Issuer) *string { return &i.Profile }),
		},
		{
			key: "jwks_url", env: []string{"OSTIARY_JWKS_URL"},
			help: "URL of the key set. Default: {issuer}/.well-known/jwks.json for clerk; otherwise from OIDC discovery.",
			kind: text(func(i *server.Issuer) *string { return &i.JWKSURL }),
		},
		{
			key: "jwt_key", env: []string{"CLERK_JWT_KEY"},
			help: "A single public key (PEM), instead of fetching a key set.",
			kind: pem(func(i *server.Issuer) *string { return &i.JWTKey }),
		},
		{
			key: "keys_snapshot", env: []string{"OSTIARY_KEYS_SNAPSHOT"},
			help: "File that caches the last keys, so a restarted server works while the issuer is unreachable.",
			kind: text(func(i *server.Issuer) *string { return &i.KeysSnapshot }),
		},
		{
			key: "audiences", env: []string{"CLERK_JWT_AUD"},
			help: "Accepted values of aud; a token must have one of them.",
			kind: list(func(i *server.Issuer) *[]string { return &i.Audiences }),
		},
		{
			key: "authorized_parties", env: []string{"CLERK_AUTHORIZED_PARTIES"},
			help: "Accepted values of azp; a token must have one of them.",
			kind: list(func(i *server.Issuer) *[]string { return &i.AuthorizedParties }),
		},
		{
			key: "allow_missing_authorized_party", env: []string{"OSTIARY_ALLOW_MISSING_AUTHORIZED_PARTY"}, def: "false",
			help: "Accept tokens without azp even when authorized parties are set.",
			kind: boolean(func(i *server.Issuer, on bool) { i.AllowMissingAuthorizedParty = on }),
		},
		{
			key: "allow_any_audience", env: []string{"OSTIARY_ALLOW_ANY_AUDIENCE"}, def: "false",
			help: "Accept tokens issued for any service. Only without audiences and authorized parties.",
			kind: boolean(func(i *server.Issuer, on bool) { i.AllowAnyAudience = on }),
		},
		{
			key: "accept_kinds", env: []string{"OSTIARY_ACCEPT_KINDS"},
			help: "Accepted kinds of token: session, template, oauth, machine. Default: session; with clerk and audiences, also template.",
			kind: kinds(func(i *server.Issuer) *[]auth.Kind { return &i.Kinds }),
		},
		{
			key: "algorithms", env: []string{"OSTIARY_ALGORITHMS"},
			help: "Accepted signature algorithms, such as RS256. Default: the profile's.",
			kind: list(func(i *server.Issuer) *[]string { return &i.Algorithms }),
		},
		{
			key: "skew", env: []string{"OSTIARY_SKEW"}, def: "5s",
			help: "Tolerated difference between the issuer's clock and this server's.",
			kind: tolerance(func(i *server.Issuer) *time.Duration { return &i.Skew }),
		},
		{
			key: "max_lifetime", env: []string{"OSTIARY_MAX_LIFETIME"}, def: "24h0m0s",
			help: "Longest accepted token lifetime, from iat to exp.",
			kind: duration(func(i *server.Issuer) *time.Duration { return &i.MaxLifetime }),
		},
	}
}

// profileNames lists the providers that have a profile of their own.
func profileNames() string {
	var names []string
	for _, profile := range token.Profiles() {
		if profile.Name != token.OIDC().Name {
			names = append(names, profile.Name)
		}
	}
	return strings.Join(names, ", ")
}
