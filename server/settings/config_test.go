package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

func TestFaultsNameEverySettingThatIsWrong(t *testing.T) {
	t.Parallel()
	good := Issuer{URL: "https://clerk.example.com", Audiences: []string{"invoices"}}
	with := func(edit func(*Issuer)) Config {
		issuer := good
		edit(&issuer)
		return Config{Issuers: []Issuer{issuer}}
	}
	tests := map[string]struct {
		config Config
		want   []string // the setting and a piece of the remedy, of each fault
	}{
		"a good issuer and nothing else": {Config{Issuers: []Issuer{good}}, nil},
		"nothing at all":                 {Config{}, []string{"issuer: no issuer is given"}},
		"addresses that are none": {
			Config{HTTPAddr: "8080", GRPCAddr: "localhost:grpc", Issuers: []Issuer{good}},
			[]string{`http_addr: "8080" is not an address`, `grpc_addr: "localhost:grpc" is not an address`},
		},
		"the last port, and one behind it": {
			Config{HTTPAddr: ":65535", GRPCAddr: ":65536", Issuers: []Issuer{good}},
			[]string{`grpc_addr: ":65536" is not an address`},
		},
		"two issuers without a URL": {
			Config{Issuers: []Issuer{{AllowAnyAudience: true}, {AllowAnyAudience: true}}},
			[]string{"issuers[0].url: missing", "issuers[1].url: missing"},
		},
		"one address for both": {
			Config{HTTPAddr: ":8080", GRPCAddr: ":8080", Issuers: []Issuer{good}},
			[]string{"grpc_addr: :8080 is `http_addr` already"},
		},
		"an admin address that is none": {
			Config{AdminAddr: "off", Issuers: []Issuer{good}},
			[]string{`admin_addr: "off" is not an address; write host:port or :port, such as 127.0.0.1:8080; or none`},
		},
		"an admin address that is public": {
			Config{AdminAddr: ":9090", Issuers: []Issuer{good}},
			[]string{"admin_addr: :9090 is `grpc_addr` already; it needs a port of its own"},
		},
		"profiles without an admin address": {
			Config{AdminAddr: AdminNone, Profiling: true, Issuers: []Issuer{good}},
			[]string{"admin_addr: there is no such listener, though `profiling` is on; give an address, or turn it off"},
		},
		"proxies that are no addresses": {
			Config{TrustedProxies: []string{"10.0.0.1/8", "proxy.internal", "0.0.0.0/0"}, Issuers: []Issuer{good}},
			[]string{
				`trusted_proxies: "10.0.0.1/8" has bits beyond the network; write 10.0.0.0/8, or the address alone`,
				`trusted_proxies: "proxy.internal" is neither an address nor a network`,
				`trusted_proxies: "0.0.0.0/0" trusts everybody`,
			},
		},
		"the PROXY protocol from nobody": {
			Config{ProxyProtocol: true, Issuers: []Issuer{good}},
			[]string{"proxy_protocol: nobody could connect, since no proxy is trusted; set `trusted_proxies`"},
		},
		"port 0 for both": {Config{HTTPAddr: ":0", GRPCAddr: ":0", Issuers: []Issuer{good}}, nil},
		"a certificate without its key": {
			Config{TLSCert: "cert.pem", Issuers: []Issuer{good}},
			[]string{"tls_cert: a certificate without its key; set `tls_key`"},
		},
		"a key without its certificate": {
			Config{TLSKey: "key.pem", Issuers: []Issuer{good}},
			[]string{"tls_cert: missing, though `tls_key` is set"},
		},
		"a certificate that is not there": {
			Config{TLSCert: "no/cert.pem", TLSKey: "no/key.pem", Issuers: []Issuer{good}},
			[]string{"tls_cert: cannot use the pair"},
		},
		"a database of another kind": {
			Config{DatabaseURL: "mysql://ada:hunter2@db.example.com/ostiary", Issuers: []Issuer{good}},
			[]string{"database_url: is of a kind that is not supported; write postgres://"},
		},
		"a database of PostgreSQL": {
			Config{DatabaseURL: "postgresql://ada:hunter2@db.example.com/ostiary", Issuers: []Issuer{good}}, nil,
		},
		"a database of PostgreSQL with a port that is none": {
			Config{DatabaseURL: "postgres://ada:hunter2@db.example.com:x/ostiary", Issuers: []Issuer{good}},
			[]string{"database_url: is not a URL; write postgres://user@host/database"},
		},
		"limits of the database below zero": {
			Config{DatabaseMaxConnections: -1, DatabaseTimeout: -1, Issuers: []Issuer{good}},
			[]string{"database_max_connections: must not be negative", "database_timeout: must not be negative"},
		},
		"secrets of the feed that are none": {
			Config{FeedSecret: []string{"hunter2" + strings.Repeat("x", 24), strings.Repeat("x", 32), "", strings.Repeat("hunter2,", 10)}, Issuers: []Issuer{good}},
			[]string{
				"feed_secret: secret 1 of 4 has fewer than 32 bytes; make one with: openssl rand -hex 32",
				"feed_secret: secret 3 of 4 has fewer than 32 bytes", "feed_secret: secret 4 of 4 has a character that a bearer token cannot have",
			},
		},
		"a file of secrets that is not there": {
			Config{FeedSecretFile: "no/secrets", Issuers: []Issuer{good}}, []string{"feed_secret_file: cannot read the secrets of followers"},
		},
		"a file without secrets": {Config{FeedSecretFile: os.DevNull, Issuers: []Issuer{good}}, []string{"feed_secret_file: the file has no secret in it"}},
		"a permission of the feed that no token can have": {
			Config{FeedPermission: "feed", Issuers: []Issuer{good}}, []string{"feed_permission: no issuer's tokens of machines are accepted"},
		},
		"a permission of the feed for machines": {
			Config{FeedPermission: "feed", Issuers: []Issuer{{URL: good.URL, Audiences: good.Audiences, Kinds: []auth.TokenKind{auth.KindMachine}}}}, nil,
		},
		"a URL of the transmitter with a path": {
			Config{SignalsTransmitterURL: "https://ostiary.example.com/", FeedSecret: []string{strings.Repeat("x", 32)}, Issuers: []Issuer{good}},
			[]string{"signals_transmitter_url: must be this server's URL as receivers know it, in lower case and without a path"},
		},
		"a URL of the transmitter in plaintext": {
			Config{SignalsTransmitterURL: "http://ostiary.example.com", FeedSecret: []string{strings.Repeat("x", 32)}, Issuers: []Issuer{good}},
			[]string{"signals_transmitter_url: must begin with https://"},
		},
		"a transmitter for nobody": {
			Config{SignalsTransmitterURL: "https://ostiary.example.com", Issuers: []Issuer{good}}, []string{"signals_transmitter_url: nobody could receive events; set `feed_permission` or `feed_secret`"},
		},
		"a transmitter": {
			Config{SignalsTransmitterURL: "https://ostiary.example.com:8443", FeedSecret: []string{strings.Repeat("x", 32)}, Issuers: []Issuer{good}}, nil,
		},
		"signing secrets of webhooks that are none": {
			Config{ClerkWebhookSecret: []string{"whsec_hunter2!", "", "whsec_aHVudGVyMg==", webhookSecret}, Issuers: []Issuer{good}},
			[]string{
				"clerk_webhook_secret: secret 1 of 4: it is not base64", "clerk_webhook_secret: secret 2 of 4: it is empty",
				"clerk_webhook_secret: secret 3 of 4: a secret has 24 to 64 bytes",
			},
		},
		"a signing secret without an issuer of Clerk": {
			Config{ClerkWebhookSecret: []string{webhookSecret}, Issuers: []Issuer{{URL: "https://sso.example.com", Profile: "oidc", Audiences: good.Audiences}}},
			[]string{"clerk_webhook_secret: does not say of which issuer it is: 0 are of Clerk"},
		},
		"a signing secret with two of them": {
			Config{ClerkWebhookSecret: []string{webhookSecret}, Issuers: []Issuer{good, {URL: "https://two.example.com", Audiences: good.Audiences}}},
			[]string{"clerk_webhook_secret: does not say of which issuer it is: 2 are of Clerk"},
		},
		"a file of signing secrets that is not there": {
			Config{ClerkWebhookSecretFile: "no/secrets", Issuers: []Issuer{good}}, []string{"clerk_webhook_secret_file: cannot read the secrets"},
		},
		"a file without signing secrets": {
			Config{ClerkWebhookSecretFile: os.DevNull, Issuers: []Issuer{good}}, []string{"clerk_webhook_secret_file: the file has no secret in it"},
		},
		"an address for messages that nobody sends": {
			Config{SignalsAddr: ":9091", Issuers: []Issuer{good}}, []string{"signals_addr: nothing would be received there"},
		},
		"an address for messages that is that of calls": {
			Config{SignalsAddr: DefaultHTTPAddr, ClerkWebhookSecret: []string{webhookSecret}, Issuers: []Issuer{good}}, []string{"signals_addr: :8080 is `http_addr` already"},
		},
		"an address for messages that is none": {
			Config{SignalsAddr: "9091", ClerkWebhookSecret: []string{webhookSecret}, Issuers: []Issuer{good}}, []string{`signals_addr: "9091" is not an address`},
		},
		"clients that no logout token is for": {
			with(func(i *Issuer) { i.BackChannelLogout.ClientIDs = []string{"web", "*", ""} }),
			[]string{`issuers[0].backchannel_logout: "*" would match nothing`, "issuers[0].backchannel_logout: an empty entry"},
		},
		"sessions in tokens without a client": {
			with(func(i *Issuer) { i.BackChannelLogout.SessionsInTokens = true }), []string{"issuers[0].backchannel_logout: no client is named"},
		},
		"a trust domain whose users sign out": {
			Config{Issuers: []Issuer{{URL: "spiffe://example.org", Profile: "spiffe", JWKSURL: "https://example.org/keys", Audiences: good.Audiences, BackChannelLogout: BackChannelLogout{ClientIDs: []string{"web"}}}}},
			[]string{"issuers[0].backchannel_logout: a trust domain has no users"},
		},
		"a good relay": {Config{Follow: Follow{Hubs: []string{"https://hub.example.com", "http://localhost:8080"}, Secret: strings.Repeat("x", 32)}, Issuers: []Issuer{good}}, nil},
		"a good relay with a client": {
			Config{Follow: Follow{Hubs: []string{"http://hub"}, InsecureHTTP: true, Secret: "x", TokenURL: "https://a.example.com/token", ClientID: "relay"}, Issuers: []Issuer{good}}, nil,
		},
		"hubs that are none": {
			Config{Follow: Follow{Hubs: []string{"https://ada:hunter2@hub", "hub:8080", "http://hub", "https://hub?x"}, Secret: strings.Repeat("x", 32)}, Issuers: []Issuer{good}},
			[]string{
				"follow: has an entry that is no base URL; write each as https://ostiary.example.com", "follow: has an entry that is no base URL",
				"follow: hub is plain http, over which the network can read the secret and hide revocations; use https, or set `follow_insecure_http`",
				"follow: has an entry that is no base URL",
			},
		},
		"a relay with what a hub has": {
			Config{
				Follow:      Follow{Hubs: []string{"https://hub"}, Secret: strings.Repeat("x", 32)},
				DatabaseURL: "sqlite:a.db", Console: Console{Enabled: true},
				Issuers:            []Issuer{{URL: "https://clerk.example.com", Audiences: good.Audiences, SecretKey: "sk_live_x", BackChannelLogout: BackChannelLogout{ClientIDs: []string{"web"}}}},
				ClerkWebhookSecret: []string{webhookSecret}, FeedSecret: []string{strings.Repeat("x", 32)}, SignalsTransmitterURL: "https://hub",
				Signals: []SignalSource{{Name: "more", Kind: SignalClerk, Secrets: []string{webhookSecret}}},
			},
			[]string{
				"database_url: is given beside `follow`, but a relay has no database", "console: shows sessions, which a relay does not keep; turn it off, or remove `follow`",
				"signals_transmitter_url: sends what is in the database, and a relay has none",
				"clerk_webhook_secret: a relay revokes nothing; have the issuer send its messages to the hub", "signals: a relay revokes nothing", "issuers[0].backchannel_logout: a relay revokes nothing",
				"issuers[0].secret_key: a relay ends no sessions at their issuer; remove the key",
			},
		},
		"a relay without a secret": {Config{Follow: Follow{Hubs: []string{"https://hub"}}, Issuers: []Issuer{good}}, []string{"follow_secret: missing; set it to one of the hub's feed secrets"}},
		"a relay with a secret that no hub has": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: "hunter2"}, Issuers: []Issuer{good}}, []string{"follow_secret: cannot be a feed secret, which has at least 32 characters that a bearer token can have; set it to one of the hub's"},
		},
		"a relay with two secrets": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: strings.Repeat("x", 32), SecretFile: os.DevNull}, Issuers: []Issuer{good}},
			[]string{"follow_secret_file: given beside `follow_secret`; keep one of them"},
		},
		"a relay with an empty file": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, SecretFile: os.DevNull}, Issuers: []Issuer{good}}, []string{"follow_secret_file: the file is empty; write into it the secret"},
		},
		"a relay with a file that is not there": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, SecretFile: "no/secret"}, Issuers: []Issuer{good}}, []string{"follow_secret_file: cannot read the secret"},
		},
		"a relay with a client and no endpoint": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: strings.Repeat("x", 32), ClientID: "relay"}, Issuers: []Issuer{good}},
			[]string{"follow_token_url: missing, though `follow_client_id` is set; set both or neither"},
		},
		"a relay with an endpoint and no client": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: "x", TokenURL: "https://a.example.com/token"}, Issuers: []Issuer{good}},
			[]string{"follow_client_id: missing, though `follow_token_url` is set; set both or neither"},
		},
		"a relay with an endpoint that is none": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: "x", TokenURL: "https://ada:hunter2@a.example.com", ClientID: "relay"}, Issuers: []Issuer{good}},
			[]string{"follow_token_url: is not the URL of a token endpoint"},
		},
		"a relay with an endpoint in plaintext": {
			Config{Follow: Follow{Hubs: []string{"https://hub"}, Secret: "x", TokenURL: "http://a.example.com/token", ClientID: "relay"}, Issuers: []Issuer{good}},
			[]string{"follow_token_url: is plain http, over which the network can read the client's secret; use https"},
		},
		"how to follow, and nothing to follow": {
			Config{Follow: Follow{Secret: strings.Repeat("x", 32), Snapshot: "revocations"}, Issuers: []Issuer{good}},
			[]string{"follow_secret: says how to follow a hub, but `follow` names none; set it, or remove this", "follow_snapshot: says how to follow a hub"},
		},
		"a database without a file": {
			Config{DatabaseURL: "sqlite:", Issuers: []Issuer{good}},
			[]string{"database_url: does not name a file"},
		},
		"a database with slashes that could mean two things": {
			Config{DatabaseURL: "sqlite:///ostiary.db", Issuers: []Issuer{good}},
			[]string{"database_url: does not name a file"},
		},
		"a database in memory": {
			Config{DatabaseURL: "sqlite::memory:", Issuers: []Issuer{good}},
			[]string{"database_url: does not name a file"},
		},
		"a database in a file": {Config{DatabaseURL: "sqlite:/var/lib/ostiary.db", Issuers: []Issuer{good}}, nil},
		"sessions kept for less than nothing": {
			Config{SessionRetention: -1, Issuers: []Issuer{good}},
			[]string{"session_retention: must not be negative"},
		},
		"operators of the one issuer": {
			Config{OperatorSubjects: []string{"user_1", "https://clerk.example.com#user_2", "auth0|1", "a#b"}, Issuers: []Issuer{good}}, nil,
		},
		"an operator of an issuer that is not trusted": {
			Config{OperatorSubjects: []string{"https://other.example.com#user_1"}, Issuers: []Issuer{good}},
			[]string{"operator_subjects: \"https://other.example.com#user_1\" does not say whose subject is meant"},
		},
		"an operator of any of two issuers": {
			Config{OperatorSubjects: []string{"user_1"}, Issuers: []Issuer{good, {URL: "https://other.example.com", Audiences: []string{"invoices"}}}},
			[]string{"operator_subjects: \"user_1\" does not say whose subject is meant"},
		},
		"any origin with credentials": {
			Config{CORS: CORS{AllowedOrigins: []string{"*"}}, Issuers: []Issuer{good}},
			[]string{"cors_allowed_origins: * with credentials"},
		},
		"any origin without credentials": {
			Config{CORS: CORS{AllowedOrigins: []string{"*"}, WithoutCredentials: true}, Issuers: []Issuer{good}}, nil,
		},
		"a resource that is no URL of its own": {
			Config{ResourceURL: "http://api.example.com", Issuers: []Issuer{good}},
			[]string{"resource_url: the URL of the resource is not https"},
		},
		"two origins that are none": {
			Config{CORS: CORS{AllowedOrigins: []string{"null", "app.example.com"}}, Issuers: []Issuer{good}},
			[]string{`cors_allowed_origins: "null" is not an origin`, `cors_allowed_origins: "app.example.com" is not an origin`},
		},
		"headers that are none": {
			Config{CORS: CORS{AllowedHeaders: []string{"*", "x-tenant: acme", "", "x-ok", "Ünter"}}, Issuers: []Issuer{good}},
			[]string{"cors_allowed_headers: * is not a header here; name each header", `cors_allowed_headers: "x-tenant: acme" is not a header`, `cors_allowed_headers: "" is not a header`, `cors_allowed_headers: "Ünter" is not a header`},
		},
		"a time-out in the past": {
			Config{ShutdownTimeout: -time.Second, Issuers: []Issuer{good}},
			[]string{"shutdown_timeout: must not be negative"},
		},
		"a request that must be there before it was sent": {
			Config{RequestTimeout: -time.Second, Issuers: []Issuer{good}},
			[]string{"request_timeout: must not be negative"},
		},
		"an issuer that is given twice": {
			Config{Issuers: []Issuer{good, good}},
			[]string{"issuers[1].url: https://clerk.example.com is issuers[0] already"},
		},
		"two issuers, both wrong": {
			Config{Issuers: []Issuer{{URL: "clerk.example.com", AllowAnyAudience: true}, {URL: "https://accounts.example.com"}}},
			[]string{`issuers[0].url: "clerk.example.com" is not a URL`, "issuers[1].audiences: neither `audiences` nor `authorized_parties`"},
		},
		"an issuer without a URL": {
			with(func(i *Issuer) { i.URL = "" }), []string{"issuers[0].url: missing"},
		},
		"an issuer on plain http elsewhere": {
			with(func(i *Issuer) { i.URL = "http://clerk.example.com" }), []string{"issuers[0].url: \"http://clerk.example.com\" is plain http"},
		},
		"an issuer whose name begins like this machine's": {
			with(func(i *Issuer) { i.URL = "http://127.0.0.1.example.com" }), []string{"issuers[0].url: \"http://127.0.0.1.example.com\" is plain http"},
		},
		"an issuer on plain http on this machine": {Config{Issuers: []Issuer{{URL: "http://localhost:8080"}}}, nil},
		"an issuer with a password": {
			with(func(i *Issuer) { i.URL = "https://me:hunter2@clerk.example.com" }), []string{"issuers[0].url: has a user"},
		},
		"a Clerk issuer with a slash at its end": {
			with(func(i *Issuer) { i.URL = "https://clerk.example.com/" }), []string{"issuers[0].url: \"https://clerk.example.com/\" ends in a slash"},
		},
		"another issuer with a slash at its end": {
			with(func(i *Issuer) { i.URL, i.Profile = "https://t.auth0.com/", "oidc" }), nil,
		},
		"a profile that there is not": {
			with(func(i *Issuer) { i.Profile = "robot" }), []string{`issuers[0].profile: unknown profile "robot": use one of clerk, oidc`},
		},
		"a snapshot in a folder that is not there": {
			with(func(i *Issuer) { i.KeysSnapshot = "/nowhere/keys.json" }), []string{"issuers[0].keys_snapshot: snapshot /nowhere/keys.json: its directory does not exist"},
		},
		"clocks that are further apart": {
			with(func(i *Issuer) { i.Skew = token.MaxSkew + 1 }), []string{"issuers[0].skew: is over 10m0s"},
		},
		"the last port": {Config{HTTPAddr: ":65535", GRPCAddr: ":65534", Issuers: []Issuer{good}}, nil},
		"a port after the last": {
			Config{HTTPAddr: ":65536", Issuers: []Issuer{good}}, []string{`http_addr: ":65536" is not an address`},
		},
		"clocks as far apart as can be": {with(func(i *Issuer) { i.Skew = token.MaxSkew }), nil},
		"keys from plain http elsewhere": {
			with(func(i *Issuer) { i.JWKSURL = "http://keys.example.com" }), []string{"issuers[0].jwks_url: \"http://keys.example.com\" is plain http"},
		},
		"a key that is none": {
			with(func(i *Issuer) { i.JWTKey = "a key" }), []string{"issuers[0].jwt_key: "},
		},
		"a key beside an address of keys": {
			with(func(i *Issuer) {
				i.JWTKey, i.JWKSURL = string(authtest.New("").PublicPEM()), "https://keys.example.com"
			}), []string{"issuers[0].jwt_key: given beside `jwks_url`"},
		},
		"an algorithm that there is not": {
			with(func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }), []string{`issuers[0].algorithms: "HS256" is not supported`},
		},
		"an empty audience and an empty party": {
			with(func(i *Issuer) { i.Audiences, i.AuthorizedParties = []string{""}, []string{""} }),
			[]string{"issuers[0].audiences: an empty entry", "issuers[0].authorized_parties: an empty entry"},
		},
		"a lifetime in the past": {
			with(func(i *Issuer) { i.MaxLifetime = -time.Hour }), []string{"issuers[0].max_lifetime: must not be negative"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertFaults(t, test.config.Faults(), test.want)
		})
	}
}

// assertFaults checks how each fault begins, and that none shows a password.
func assertFaults(t *testing.T, faults []Fault, want []string) {
	t.Helper()
	if len(faults) != len(want) {
		t.Fatalf("faults %v; want %d", faults, len(want))
	}
	for _, beginning := range want {
		if !slices.ContainsFunc(faults, func(f Fault) bool { return strings.HasPrefix(f.String(), beginning) }) {
			t.Errorf("faults %v; want one that begins %q", faults, beginning)
		}
	}
	for _, fault := range faults {
		if strings.Contains(fault.String(), "hunter2") {
			t.Errorf("fault %v shows a password", fault)
		}
	}
}

func TestAFileOfDecisionsThatCannotBeIsAFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"decisions":           {Decisions: filepath.Join(t.TempDir(), "missing", "decisions.jsonl")},
		"decisions_max_size":  {DecisionsMaxSize: -1},
		"decisions_max_files": {DecisionsMaxFiles: -1},
	} {
		c.Issuers = []Issuer{{URL: "https://clerk.example.com", AllowAnyAudience: true}}
		if faults := c.Faults(); len(faults) != 1 || faults[0].Setting != name {
			t.Errorf("%s: %v", name, faults)
		}
	}
}
