package jwks

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNewRemoteNamesEveryFault(t *testing.T) {
	t.Parallel()
	const good = "https://issuer.example/.well-known/jwks.json"
	missing, tokenFile := filepath.Join(t.TempDir(), "missing"), writeFile(t, "token")
	for _, row := range []struct {
		name   string
		config RemoteConfig
		says   []string
	}{
		{"nothing set", RemoteConfig{}, []string{"no source of keys"}},
		{"two sources", RemoteConfig{URL: good, Issuer: "https://issuer.example"}, []string{"two sources"}},
		{"http", RemoteConfig{URL: "http://issuer.example/keys"}, []string{"use https"}},
		{"http to a name that only looks like loopback", RemoteConfig{URL: "http://localhost.example/keys"}, []string{"use https"}},
		{"http to a private address", RemoteConfig{URL: "http://10.0.0.1/keys"}, []string{"use https"}},
		{"another scheme", RemoteConfig{URL: "ftp://issuer.example/keys"}, []string{"use https"}},
		{"a file", RemoteConfig{URL: "file:///etc/keys"}, []string{"absolute URL"}},
		{"a host alone", RemoteConfig{URL: "issuer.example"}, []string{"absolute URL"}},
		{"a fragment", RemoteConfig{URL: good + "#x"}, []string{"without a fragment"}},
		{"a control character", RemoteConfig{URL: "https://issuer.example/\x00"}, []string{"cannot be parsed"}},
		{"a password", RemoteConfig{URL: "https://me:hunter2@issuer.example/keys"}, []string{"user name or password"}},
		{"http with a token", RemoteConfig{URL: "http://issuer.example/keys", InsecureAllowPlaintext: true, TokenFile: tokenFile}, []string{"would read the token"}},
		{"another scheme, whatever the network", RemoteConfig{URL: "ftp://issuer.example/keys", InsecureAllowPlaintext: true}, []string{"use https"}},
		{"a password, whatever the network", RemoteConfig{URL: "http://me:hunter2@issuer.example/keys", InsecureAllowPlaintext: true}, []string{"user name or password"}},
		{"a CA file that is missing", RemoteConfig{URL: good, CAFile: missing}, []string{"CAFile", "no such file"}},
		{"a CA file without a certificate", RemoteConfig{URL: good, CAFile: tokenFile}, []string{"CAFile", "holds no certificate"}},
		{"a CA file beside a transport", RemoteConfig{URL: good, CAFile: missing, Transport: &http.Transport{}}, []string{"CAFile is given with a Transport"}},
		{"a token file that is missing", RemoteConfig{URL: good, TokenFile: missing}, []string{"TokenFile", "no such file"}},
		{"both files missing", RemoteConfig{URL: good, CAFile: missing, TokenFile: missing}, []string{"CAFile", "TokenFile"}},
		{"a directory for a token file", RemoteConfig{URL: good, TokenFile: t.TempDir()}, []string{"TokenFile", "is a directory"}},
		{"an issuer over http", RemoteConfig{Issuer: "http://issuer.example"}, []string{"use https"}},
		{"an issuer with a query", RemoteConfig{Issuer: "https://issuer.example?tenant=1"}, []string{"has a query"}},
		{"bounds the wrong way round", RemoteConfig{URL: good, MinRefresh: time.Hour, MaxRefresh: time.Minute}, []string{"MinRefresh"}},
		{"MaxStale too short", RemoteConfig{URL: good, MaxStale: time.Minute}, []string{"MaxStale"}},
		{"negative bounds", RemoteConfig{URL: good, MinRefresh: -1, MaxRefresh: time.Minute, Cooldown: -1}, []string{"MinRefresh", "is negative"}},
		{"a negative limit of bytes", RemoteConfig{URL: good, MaxBytes: -1}, []string{"is negative"}},
		{"a negative limit of keys", RemoteConfig{URL: good, MaxKeys: -1}, []string{"is negative"}},
		{"a negative time-out", RemoteConfig{URL: good, FetchTimeout: -1}, []string{"is negative"}},
		{"a negative cool-down", RemoteConfig{URL: good, Cooldown: -1}, []string{"is negative"}},
		{"MaxStale a nanosecond too short", RemoteConfig{URL: good, MaxRefresh: time.Hour, MaxStale: time.Hour - 1}, []string{"MaxStale"}},
		{"several at once", RemoteConfig{MaxKeys: -1, MaxStale: 1}, []string{"no source", "MaxStale", "is negative"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			remote, err := NewRemote(row.config)
			if err == nil {
				_ = remote.Close()
				t.Fatal("accepted")
			}
			for _, want := range row.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q holds a password", err)
			}
		})
	}
}

func TestURLsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, config := range []RemoteConfig{
		{URL: "https://tenant.b2clogin.com/tenant.onmicrosoft.com/discovery/v2.0/keys?p=b2c_1_signin"},
		{URL: "http://keycloak:8080/realms/r/protocol/openid-connect/certs?a=b", InsecureAllowPlaintext: true},
		{Issuer: "http://keycloak:8080/realms/r", InsecureAllowPlaintext: true},
		{URL: "https://issuer.example/keys", InsecureAllowPlaintext: true, TokenFile: writeFile(t, "token")},
		{URL: "http://127.0.0.1/keys", InsecureAllowPlaintext: true, TokenFile: writeFile(t, "token")},
		{URL: "https://issuer.example/keys", MinRefresh: time.Hour},
		{URL: "https://issuer.example/keys", MinRefresh: time.Minute, MaxRefresh: time.Minute, MaxStale: time.Minute},
		{URL: "https://issuer.example/keys", CAFile: "", Transport: &http.Transport{}},
	} {
		if _, err := config.withDefaults(); err != nil {
			t.Error(err)
		}
	}
}

func TestHTTPIsAcceptedForLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:1", "[::1]:8080", "[::ffff:127.0.0.1]"} {
		if err := (RemoteConfig{}).checkURL("URL", "http://"+host+"/keys"); err != nil {
			t.Error(err)
		}
	}
}

func TestAnOutageIsLoggedUnlessNobodyWantsToKnow(t *testing.T) {
	t.Parallel()
	config := RemoteConfig{Issuer: "https://issuer.example.com"}
	if got, err := config.withDefaults(); err != nil || got.Logger != slog.Default() {
		t.Errorf("without a Logger it is %v, %v; want slog.Default()", got.Logger, err)
	}
}
