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

func usualOrigin(name string) origin { return origin{name: name} }

const corsFails = "browsers keep the answers from such a page, which sees CORS error or Failed to fetch"

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
	var allowed, usual []string
	for _, origin := range p.origins() {
		why, err := preflight(ctx, found, origin.name)
		switch {
		case err != nil:
			return append(findings, fault("cors.preflight", found.base, fmt.Sprintf("the preflight fails: %v", err), "no web page of another origin can call", "see the log of the server"))
		case why == "":
			allowed = append(allowed, origin.name)
		case origin == usualOrigin(origin.name):
			usual = append(usual, origin.name)
		default:
			findings = append(findings, p.refusedOrigin(origin, why))
		}
	}
	setting := p.Settings.NameOf("cors_allowed_origins")
	switch {
	case len(usual) > 0 && len(p.Settings.Server.CORS.AllowedOrigins) == 0:
		findings = append(findings, warning("cors.none", strings.Join(usual, ", "), "no page of another origin can call", corsFails,
			fmt.Sprintf("if you develop a page there, set %s to its origin, such as %s; ostiary doctor --origin tries others", setting, usual[0])))
	case len(usual) > 0:
		findings = append(findings, ok("cors.usual", strings.Join(usual, ", "), "pages of these origins cannot call; add them to "+setting+" if they should"))
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
	add := "add " + o.name + " to " + setting
	switch exact := browserOrigin(o.name); {
	case exact != o.name && exact != "":
		return fault("cors.origin_form", o.name, fmt.Sprintf("browsers send this origin as %s, and origins are compared exactly", exact), corsFails, "write "+exact+", and have that in "+setting)
	case o.configured:
		return fault("cors.not_in_force", o.name, what+", though the settings allow it", corsFails, "restart the server: a reload does not take this over")
	case o.given:
		if near := nearOrigin(o.name, p.Settings.Server.CORS.AllowedOrigins); near != "" {
			what += fmt.Sprintf("; the settings have %s%s", near, difference(near, o.name))
		}
		return fault("cors.origin_missing", o.name, what, corsFails, add)
	default:
		return warning("cors.party_missing", o.name, what+", though tokens of this authorized party are accepted", corsFails+"; a page of the same origin as the server is none of them", add)
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
