package settings

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/internal/loopback"
)

// Follow makes a Server a relay: it follows the feed of a hub, and answers followers of its
// own, without a database. It refuses what is revoked at the hub, and its readiness waits
// until it has caught up. Callers who list sessions or revoke are told to ask the hub. The
// zero value follows nothing.
type Follow struct {
	// Hubs are the URLs of one or more hubs with the same database, or of relays of these.
	// They are https, or http on a loopback host. Default: none; the Server is a hub itself.
	Hubs []string
	// Secret is one of the hub's feed secrets or, with TokenURL, the secret of the OAuth
	// client. Either it or SecretFile is required.
	Secret string
	// SecretFile is a file with the secret instead. It is read at the start, and by
	// Server.Reload.
	SecretFile string
	// TokenURL is the token endpoint of an authorization server, to follow with a token of
	// ClientID (RFC 6749, section 4.4) and not with a feed secret. Default: none.
	TokenURL string
	// ClientID is the name of the OAuth client. Required with TokenURL.
	ClientID string
	// Audience and Scopes are what the token is requested for. Default: not said.
	Audience string
	Scopes   []string
	// InsecureHTTP permits http for hubs that are not on a loopback host. Those who can read
	// the traffic can then follow, and those who can change it can hide revocations.
	InsecureHTTP bool
	// Snapshot is a file that keeps the revocations over restarts, so that one in the middle
	// of an outage serves. Its directory must be this user's own. Default: none.
	Snapshot string
}

// errRelaySignals is why a relay has no sources of messages.
var errRelaySignals = errors.New("a relay revokes nothing; have the issuer send its messages to the hub")

// IsSet reports whether a hub is followed.
func (f *Follow) IsSet() bool { return len(f.Hubs) > 0 }

// secret returns that of the settings or the file.
func (f *Follow) secret() (string, error) {
	if f.SecretFile == "" {
		return f.Secret, nil
	}
	text, err := os.ReadFile(f.SecretFile)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	if secret := strings.TrimSpace(string(text)); secret != "" {
		return secret, nil
	}
	return "", errors.New("the file is empty; write into it the secret with which to follow")
}

// Source gives the tokens to follow with. It reads SecretFile. An error says what is wrong
// with the file, or with the token endpoint.
func (f *Follow) Source(now func() time.Time) (authclient.TokenSource, error) {
	secret, err := f.secret()
	if err != nil || f.TokenURL == "" {
		return authclient.StaticToken(secret), err
	}
	return authclient.ClientCredentials(
		authclient.TokenEndpoint{URL: f.TokenURL, ClientID: f.ClientID, ClientSecret: secret, Now: now},
		authclient.TokenTarget{Audience: f.Audience, Scopes: f.Scopes},
	)
}

// followFaults returns what is wrong with Follow, and what a relay cannot have.
func (c Config) followFaults() []Fault {
	f := c.Follow
	var faults faultList
	add := faults.add
	if !f.IsSet() {
		for _, setting := range [][2]string{
			{"follow_secret", f.Secret}, {"follow_secret_file", f.SecretFile}, {"follow_token_url", f.TokenURL},
			{"follow_client_id", f.ClientID}, {"follow_snapshot", f.Snapshot},
		} {
			if setting[1] != "" {
				add(setting[0], mentionf("says how to follow a hub, but %s names none; set it, or remove this", settingName("follow")))
			}
		}
		return faults
	}
	for _, hub := range f.Hubs {
		add("follow", f.checkHub(hub))
	}
	if c.DatabaseURL != "" {
		add("database_url", mentionf("is given beside %s, but a relay has no database; remove one of them", settingName("follow")))
	}
	if c.DatabaseEssential {
		add("database_essential", mentionf("is given beside %s, but a relay has no database; remove one of them", settingName("follow")))
	}
	if c.Console.Enabled {
		add("console", mentionf("shows sessions, which a relay does not keep; turn it off, or remove %s", settingName("follow")))
	}
	if c.SignalsTransmitterURL != "" {
		add("signals_transmitter_url", mentionf("sends what is in the database, and a relay has none; give it to the hub, or remove %s", settingName("follow")))
	}
	for _, setting := range [][2]string{{"clerk_webhook_secret", strings.Join(c.ClerkWebhookSecret, "")}, {"clerk_webhook_secret_file", c.ClerkWebhookSecretFile}} {
		if setting[1] != "" {
			add(setting[0], errRelaySignals)
		}
	}
	if len(c.Signals) > 0 {
		add("signals", errRelaySignals)
	}
	for i, issuer := range c.Issuers {
		if len(issuer.BackChannelLogout.ClientIDs) > 0 {
			faults = append(faults, Fault{Issuer: fmt.Sprintf("issuers[%d]", i), Setting: "backchannel_logout", Err: errRelaySignals})
		}
		for _, setting := range [][2]string{{"secret_key", issuer.SecretKey}, {"secret_key_file", issuer.SecretKeyFile}} {
			if setting[1] != "" {
				faults = append(faults, Fault{
					Issuer: fmt.Sprintf("issuers[%d]", i), Setting: setting[0],
					Err: errors.New("a relay ends no sessions at their issuer; remove the key, and give it to the hub alone"),
				})
			}
		}
	}
	setting := "follow_secret"
	switch {
	case f.Secret != "" && f.SecretFile != "":
		add("follow_secret_file", mentionf("given beside %s; keep one of them", settingName("follow_secret")))
		return faults
	case f.SecretFile != "":
		setting = "follow_secret_file"
	}
	switch secret, err := f.secret(); {
	case err != nil:
		add(setting, err)
	case secret == "":
		add(setting, errors.New("missing; set it to one of the hub's feed secrets, or to the secret of an OAuth client"))
	case f.TokenURL == "" && feedFaults([]string{secret}) != nil:
		add(setting, mentionf("cannot be a feed secret, which has at least 32 characters that a bearer token can have; set it to one of the hub's, or give %s for an OAuth client", settingName("follow_token_url")))
	}
	switch {
	case f.TokenURL == "" && f.ClientID != "":
		add("follow_token_url", mentionf("missing, though %s is set; set both or neither", settingName("follow_client_id")))
	case f.TokenURL != "" && f.ClientID == "":
		add("follow_client_id", mentionf("missing, though %s is set; set both or neither", settingName("follow_token_url")))
	case f.TokenURL != "":
		if u, err := url.Parse(f.TokenURL); err != nil || u.Hostname() == "" || u.User != nil || !isHTTP(f.TokenURL) {
			add("follow_token_url", errors.New("is not the URL of a token endpoint; write it as https://issuer.example.com/oauth/token"))
		} else if isPlain(u) {
			add("follow_token_url", errors.New("is plain http, over which the network can read the client's secret; use https"))
		}
	}
	return faults
}

// checkHub checks the URL of a hub, and repeats none that may hold a password.
func (f *Follow) checkHub(hub string) error {
	u, err := url.Parse(hub)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("has an entry that is no base URL; write each as https://ostiary.example.com")
	case u.Scheme == "http" && !loopback.Host(u.Hostname()) && !f.InsecureHTTP:
		return mentionf("%s is plain http, over which the network can read the secret and hide revocations; use https, or set %s where every link is encrypted by other means",
			u.Host, settingName("follow_insecure_http"))
	default:
		return nil
	}
}
