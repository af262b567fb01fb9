package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/settings"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	noKeys        = "without its keys every token of this issuer is refused with KEYS_UNAVAILABLE"
	notTrusted    = "iss is compared exactly, so every token is refused with ISSUER_UNTRUSTED"
)

// issuer fetches the keys of an issuer as the server does, and looks at the answers.
func (p *patient) issuer(ctx context.Context, i int) []Finding {
	issuer := &p.Settings.Server.Issuers[i]
	if issuer.JWTKey != "" {
		return []Finding{ok("issuer.key_given", issuer.URL, "its one key is in the settings, and nothing is fetched")}
	}
	config := issuer.RemoteConfig()
	if u, err := url.Parse(cmp.Or(config.URL, config.Issuer)); err != nil || u.Hostname() == "" {
		return nil // which is a fault of the settings
	}
	visits, err := newRecorder(config.CAFile)
	if err != nil {
		return nil // a fault of the settings, too
	}
	status, err := fetchKeys(ctx, config, visits)
	if err != nil {
		return nil // a fault of the settings, too
	}
	findings := p.clock(issuer, visits)
	if !status.Ready {
		return append(findings, p.whyNoKeys(ctx, i, status, visits)...)
	}
	last, _ := visits.last()
	findings = slices.Insert(findings, 0, ok("issuer.keys", issuer.URL, fmt.Sprintf("%s, fetched %s in %s", terminal.Count(len(status.Keys), "key"), last.route(), last.took.Round(time.Millisecond))))
	return append(findings, p.nameOf(ctx, i, visits)...)
}

// fetchKeys fetches a key set once, by the same code as the server. The error is a fault of
// the settings.
func fetchKeys(ctx context.Context, config jwks.RemoteConfig, visits *recorder) (jwks.Status, error) {
	done := make(firstLine, 1)
	config.CAFile, config.Snapshot, config.Transport, config.Logger = "", "", visits, slog.New(done)
	config.Now = nil
	if deadline, has := ctx.Deadline(); has {
		config.FetchTimeout = min(5*time.Second, time.Until(deadline)*2/3)
	}
	remote, err := jwks.NewRemote(config) //nolint:contextcheck // it is closed below
	if err != nil {
		return jwks.Status{}, err
	}
	defer func() { _ = remote.Close() }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return remote.Status(), nil
}

// A firstLine is a handler that is full once something was logged, as is the end of a fetch.
type firstLine chan struct{}

func (f firstLine) Enabled(context.Context, slog.Level) bool { return true }
func (f firstLine) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f firstLine) WithGroup(string) slog.Handler            { return f }

func (f firstLine) Handle(context.Context, slog.Record) error {
	select {
	case f <- struct{}{}:
	default:
	}
	return nil
}

// clock compares this machine's clock with the issuer's.
func (p *patient) clock(issuer *settings.Issuer, visits *recorder) []Finding {
	v, visited := visits.last()
	if !visited || !v.hasDate {
		return nil
	}
	skew := cmp.Or(issuer.Skew, token.DefaultSkew)
	// The header has no fractions of a second.
	within := max(skew, 0) + 2*time.Second + v.took/2
	ahead := v.ahead.Round(time.Second)
	const remedy = "set the clock of this machine right, as with NTP; `timedatectl` says whether it is synchronized"
	switch {
	case v.ahead > within:
		return []Finding{fault("clock.behind", issuer.URL, fmt.Sprintf("this machine's clock is %v behind that of the issuer", ahead),
			"new tokens are refused with TOKEN_NOT_YET_VALID, and expired ones are accepted for longer", remedy)}
	case -v.ahead > within:
		return []Finding{fault("clock.ahead", issuer.URL, fmt.Sprintf("this machine's clock is %v ahead of that of the issuer", -ahead),
			"tokens are refused with TOKEN_EXPIRED before they expire; those of a short lifetime always", remedy)}
	default:
		return []Finding{ok("clock.agrees", issuer.URL, "the clocks agree")}
	}
}

// whyNoKeys explains a fetch that failed.
func (p *patient) whyNoKeys(ctx context.Context, i int, status jwks.Status, visits *recorder) []Finding {
	issuer := &p.Settings.Server.Issuers[i]
	v, visited := visits.last()
	if !visited {
		return []Finding{fault("issuer.keys", issuer.URL, cmp.Or(status.LastError, "no answer"), noKeys, "correct the settings of the issuer")}
	}
	if named := discovered(v); named != "" && v.err == nil && v.status == http.StatusOK && named != issuer.URL && strings.HasSuffix(v.url.Path, discoveryPath) {
		return []Finding{p.otherName(i, named)}
	}
	if _, _, err := jwks.Parse(v.body); v.err == nil && v.status == http.StatusOK && !isHTML(v) {
		if err == nil { // it was parsed, so it was the transport or the discovery
			return []Finding{fault("issuer.keys", issuer.URL, status.LastError, noKeys, "correct the settings of the issuer")}
		}
		return []Finding{fault("issuer.keys_unusable", issuer.URL, status.LastError, noKeys,
			"compare the document at "+v.url.String()+" with what the issuer's documentation says; for a key set elsewhere set "+p.Settings.NameOfIssuer(i, "jwks_url"))}
	}
	why := v.trouble(p.Settings.NameOfIssuer(i, "ca_file"))
	remedy := why.remedy
	switch {
	case why.id == "refused" && isLoopback(v.url.Hostname()) && p.inContainer():
		remedy = "inside a container " + v.url.Hostname() + " is the container itself, and not the machine around it: name the issuer by the name of its service, or host.docker.internal, and have its tokens name it so too; or set " +
			p.Settings.NameOfIssuer(i, "jwks_url") + " to where its keys are seen from here"
	case why.id == "scheme":
		remedy += ": correct " + p.Settings.NameOfIssuer(i, "url")
	case why.id == "not_found", why.id == "html":
		remedy = p.otherKeys(ctx, i, visits)
	}
	what := why.what
	if v.proxy != nil && !strings.Contains(what, "the proxy") {
		what += " (" + v.route() + ")"
	}
	return []Finding{fault("issuer."+why.id, issuer.URL, what, noKeys, remedy)}
}

// otherKeys says where the keys may be that are not where they were sought.
func (p *patient) otherKeys(ctx context.Context, i int, visits *recorder) string {
	issuer := &p.Settings.Server.Issuers[i]
	setting := p.Settings.NameOfIssuer(i, "url")
	v := visits.get(ctx, strings.TrimRight(issuer.URL, "/")+discoveryPath)
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if v.err == nil && v.status == http.StatusOK && json.Unmarshal(v.body, &metadata) == nil && metadata.Keys != "" {
		if metadata.Issuer != issuer.URL {
			return fmt.Sprintf("the issuer calls itself %s: set %s to that", metadata.Issuer, setting)
		}
		if issuer.JWKSURL != "" {
			return fmt.Sprintf("its keys are at %s: set %s to that", metadata.Keys, p.Settings.NameOfIssuer(i, "jwks_url"))
		}
		return fmt.Sprintf("its keys are at %s: set %s to oidc, with which they are found, or to the provider's own profile", metadata.Keys, p.Settings.NameOfIssuer(i, "profile"))
	}
	return fmt.Sprintf("correct %s: it is the iss claim of the tokens, without a path that belongs to something else; for Clerk it is the Frontend API URL in the dashboard. For keys elsewhere set %s",
		setting, p.Settings.NameOfIssuer(i, "jwks_url"))
}

// discovered returns the issuer that a discovery document names; "" for none.
func discovered(v visit) string {
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if json.Unmarshal(v.body, &metadata) != nil {
		return ""
	}
	return metadata.Issuer
}

// nameOf compares the issuer's own name with the settings, where its keys were not found by
// discovery, which does the same.
func (p *patient) nameOf(ctx context.Context, i int, visits *recorder) []Finding {
	issuer := &p.Settings.Server.Issuers[i]
	if !strings.HasPrefix(issuer.URL, "http") || len(issuer.Tenants) > 0 {
		return nil
	}
	if _, asked := visits.find(strings.TrimSuffix(issuer.URL, "/") + discoveryPath); asked {
		return nil
	}
	v := visits.get(ctx, strings.TrimSuffix(issuer.URL, "/")+discoveryPath)
	if v.err != nil || v.status != http.StatusOK {
		return nil // it need not have one
	}
	named := discovered(v)
	if named == "" || named == issuer.URL || slices.Contains(issuer.Aliases, named) {
		return nil
	}
	return []Finding{p.otherName(i, named)}
}

func (p *patient) otherName(i int, named string) Finding {
	written := p.Settings.Server.Issuers[i].URL
	return fault("issuer.name_differs", written, fmt.Sprintf("the issuer calls itself %s%s", named, difference(written, named)), notTrusted,
		fmt.Sprintf("set %s to %s", p.Settings.NameOfIssuer(i, "url"), named))
}

// difference says how two names differ that are nearly alike.
func difference(a, b string) string {
	rest := func(s string) string { return strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://") }
	switch {
	case strings.TrimRight(a, "/") == strings.TrimRight(b, "/"):
		return ": only the slash at the end differs"
	case strings.EqualFold(a, b):
		return ": only upper and lower case differ"
	case rest(a) == rest(b):
		return ": only the scheme differs"
	case strings.EqualFold(strings.TrimRight(rest(a), "/"), strings.TrimRight(rest(b), "/")):
		return ": only scheme, slash, or upper and lower case differ"
	default:
		return ""
	}
}
