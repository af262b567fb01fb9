package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
)

// usualOrigins are those of a page that is developed on this machine, and of one in another
// container.
var usualOrigins = []string{"http://localhost:3000", "http://frontend:3000"}

// An origin is that of a web page that may call.
type origin struct {
	name       string
	configured bool // in cors_allowed_origins
	given      bool // to the doctor
	party      bool // in authorized_parties
}

// cors sends the running server a preflight for each origin, as browsers do.
func (p *patient) cors(ctx context.Context) []Finding {
	found := p.findServer()
	if found.state == nil {
		return nil // which the check of the server says
	}
	var findings []Finding
	var allowed []string
	for _, origin := range p.origins() {
		why, err := preflight(ctx, found, origin.name)
		switch {
		case err != nil:
			return append(findings, fault("cors.preflight", found.base, fmt.Sprintf("the preflight fails: %v", err), "no web page of another origin can call", "see the log of the server"))
		case why == "":
			allowed = append(allowed, origin.name)
		default:
			findings = append(findings, p.refusedOrigin(origin, why))
		}
	}
	if len(allowed) > 0 {
		findings = slices.Insert(findings, 0, ok("cors.allowed", "", "pages of "+strings.Join(allowed, ", ")+" can call"))
	}
	return findings
}

// origins are those that are configured, that were given, that tokens are accepted for, and
// the usual ones.
func (p *patient) origins() []origin {
	var all []origin
	add := func(name string, mark func(*origin)) {
		i := slices.IndexFunc(all, func(o origin) bool { return o.name == name })
		if i < 0 {
			i, all = len(all), append(all, origin{name: name})
		}
		mark(&all[i])
	}
	for _, name := range p.Settings.Server.CORS.AllowedOrigins {
		if !strings.Contains(name, "*") {
			add(name, func(o *origin) { o.configured = true })
		}
	}
	for _, name := range p.Origins {
		add(name, func(o *origin) { o.given = true })
	}
	for i := range p.Settings.Server.Issuers {
		for _, party := range p.Settings.Server.Issuers[i].AuthorizedParties {
			if u, err := url.Parse(party); err == nil && u.Host != "" && strings.HasPrefix(u.Scheme, "http") {
				add(party, func(o *origin) { o.party = true })
			}
		}
	}
	for _, name := range usualOrigins {
		add(name, func(*origin) {})
	}
	return all
}

func (p *patient) refusedOrigin(o origin, why string) Finding {
	setting := p.Settings.NameOf("cors_allowed_origins")
	what := "the running server refuses pages of this origin: " + why
	const fails = "browsers keep the answers from such a page, which sees CORS error or Failed to fetch"
	add := "add " + o.name + " to " + setting
	switch exact := browserOrigin(o.name); {
	case exact != o.name && exact != "":
		return fault("cors.origin_form", o.name, fmt.Sprintf("browsers send this origin as %s, and origins are compared exactly", exact), fails, "write "+exact+", and have that in "+setting)
	case o.configured:
		return fault("cors.not_in_force", o.name, what+", though the settings allow it", fails, "restart the server, which reads its settings only at the start")
	case o.given:
		if near := nearOrigin(o.name, p.Settings.Server.CORS.AllowedOrigins); near != "" {
			what += fmt.Sprintf("; the settings have %s%s", near, difference(near, o.name))
		}
		return fault("cors.origin_missing", o.name, what, fails, add)
	case o.party:
		return warning("cors.party_missing", o.name, what+", though tokens of this authorized party are accepted", fails+"; a page of the same origin as the server is none of them", add)
	case len(p.Settings.Server.CORS.AllowedOrigins) == 0:
		return warning("cors.none", o.name, "no origin is allowed to call", fails, add+", if you develop a page there; ostiary doctor --origin tries others")
	default:
		return ok("cors.usual", o.name, "pages of this origin cannot call; "+add+" if they should")
	}
}

// browserOrigin returns an origin as browsers write it (RFC 6454, section 6.1); "" where it
// is none.
func browserOrigin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

// nearOrigin returns the origin of a list that is nearly the same; "" for none.
func nearOrigin(name string, origins []string) string {
	for _, other := range origins {
		if difference(other, name) != "" {
			return other
		}
	}
	return ""
}

// preflight sends what a browser sends before a call with a token, and returns why the
// browser would not go on; "" if it would.
func preflight(ctx context.Context, found running, origin string) (why string, err error) {
	res, err := do(ctx, http.MethodOptions, found.base+identityv1connect.IdentityServiceWhoAmIProcedure, http.Header{
		"Origin":                         {origin},
		"Access-Control-Request-Method":  {http.MethodPost},
		"Access-Control-Request-Headers": {"authorization,connect-protocol-version,content-type"},
	}, found.announced)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	allows := res.Header.Get("Access-Control-Allow-Origin")
	switch {
	case allows == "":
		return fmt.Sprintf("its answer to the preflight (%d) allows no origin", res.StatusCode), nil
	case allows != origin && allows != "*":
		return "its answer to the preflight allows " + allows, nil
	case !strings.Contains(strings.ToLower(res.Header.Get("Access-Control-Allow-Headers")), "authorization"):
		return "its answer to the preflight does not allow the header authorization", nil
	default:
		return "", nil
	}
}
