package server

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// two is a server with two issuers: its own, and another.
type two struct {
	*running

	other hourIssuer
	clock *clock
}

// startTwo starts it while the others that are named cannot be reached.
func startTwo(t *testing.T, essential bool, away ...string) two {
	t.Helper()
	now := newClock()
	other := authtest.Start(t, authtest.WithNow(now.now))
	own := authtest.Start(t, authtest.WithNow(now.now))
	for name, issuer := range map[string]*authtest.Issuer{"own": own, "other": other} {
		if slices.Contains(away, name) {
			issuer.Fail(authtest.Status(http.StatusInternalServerError))
		}
	}
	r := start(t, now.set, func(c *settings.Config) {
		c.Issuers = []settings.Issuer{
			{URL: own.URL(), AllowAnyAudience: true},
			{URL: other.URL(), AllowAnyAudience: true, Essential: essential},
		}
	})
	r.issuer = hourIssuer{own}
	return two{r, hourIssuer{other}, now}
}

var readyMetric = regexp.MustCompile(`(?m)^ostiary_ready(?:\{.*\})? ([01])$`)

// wantReady wants both ports, the listener for operators and the metric to agree.
func (r *running) wantReady(t *testing.T, when string, want bool) {
	t.Helper()
	code, health, metric := http.StatusServiceUnavailable, grpc_health_v1.HealthCheckResponse_NOT_SERVING, "0"
	if want {
		code, health, metric = http.StatusOK, grpc_health_v1.HealthCheckResponse_SERVING, "1"
	}
	eventually(t, when+", whether the server is ready", func() bool { got, _ := r.readyz(t); return got == code })
	if got := r.health(t, ""); got != health {
		t.Errorf("%s: gRPC health is %v; want %v", when, got, health)
	}
	if got, body := r.admin(t, "/readyz"); got != code {
		t.Errorf("%s: operators get %d %s; want %d", when, got, body, code)
	}
	if got := readyMetric.FindStringSubmatch(r.metrics(t)); len(got) != 2 || got[1] != metric {
		t.Errorf("%s: the metric is %q; want %s", when, got, metric)
	}
}

func TestAnIssuerThatIsAwayTakesNobodyElsesUsersDown(t *testing.T) {
	t.Parallel()
	r := startTwo(t, false, "other")
	r.wantReady(t, "while one issuer of two is away", true)
	r.wantAdmitted(t, "a user of the other", r.issuer.Session("user_ada"))
	r.wantReason(t, "a user of the issuer that is away", r.other.Session("user_bob"), auth.KeysUnavailable)
	r.other.Restore()
	eventually(t, "the keys of both are there", func() bool { _, body := r.readyz(t); return body.Issuers[1].Ready })
	r.wantAdmitted(t, "a user of the issuer that has returned", r.other.Session("user_bob"))
}

func TestAServerWithoutKeysOfAnyIssuerIsNotReady(t *testing.T) {
	t.Parallel()
	r := startTwo(t, false, "own", "other")
	eventually(t, "both are known to be away", func() bool {
		_, body := r.readyz(t)
		return body.Issuers[0].Failures > 0 && body.Issuers[1].Failures > 0
	})
	r.wantReady(t, "while both are away", false)
	r.other.Restore()
	r.wantReady(t, "when one has returned", true)
}

func TestAServerIsNotReadyWithoutKeysOfAnEssentialIssuer(t *testing.T) {
	t.Parallel()
	r := startTwo(t, true, "other")
	eventually(t, "the keys of the other are there", func() bool { _, body := r.readyz(t); return body.Issuers[0].Ready })
	r.wantReady(t, "while the essential one is away", false)
	r.other.Restore()
	r.wantReady(t, "when it has returned", true)
	r.other.Fail(authtest.Status(http.StatusInternalServerError))
	r.wantReady(t, "when it is away again, and its keys are known", true)
	r.wantAdmitted(t, "its user", r.other.Session("user_bob"))
}

// Keys that are too old do not count: no token is verified with them.
func TestKeysOfAnEssentialIssuerGrowTooOld(t *testing.T) {
	t.Parallel()
	r := startTwo(t, true)
	r.wantReady(t, "with all keys", true)
	r.other.Fail(authtest.Status(http.StatusInternalServerError))
	r.clock.move(25 * time.Hour)
	r.wantAdmitted(t, "a user of the issuer that can be reached", r.issuer.Session("user_ada"))
	r.wantReason(t, "a user of the one that cannot", r.other.Session("user_bob"), auth.KeysUnavailable)
	r.wantReady(t, "with keys of the essential one that are too old", false)
	r.other.Restore()
	r.wantReady(t, "when it has returned", true)
}

// Operators read why, and since when. Anybody may read the rest.
func TestOperatorsReadWhyTheServerIsNotReady(t *testing.T) {
	t.Parallel()
	r := startTwo(t, true, "other")
	const why = "answered with status 500"
	eventually(t, "operators read why", func() bool {
		_, body := r.admin(t, "/readyz")
		return strings.Contains(body, why)
	})
	var full readiness
	_, text := r.admin(t, "/readyz")
	if err := json.Unmarshal([]byte(text), &full); err != nil {
		t.Fatal(err)
	}
	other := full.Issuers[1]
	if other.Issuer != r.other.URL() || !other.Essential || other.Ready || other.FailingSince.IsZero() || !strings.Contains(other.LastError, why) {
		t.Errorf("operators read %+v; want the essential issuer, since when and why", other)
	}
	if own := full.Issuers[0]; own.Essential || own.LastError != "" || !own.FailingSince.IsZero() {
		t.Errorf("operators read %+v of the issuer that can be reached", own)
	}
	_, _, public := r.send(t, http.MethodGet, "/readyz", nil, "")
	if strings.Contains(public, "last_error") || !strings.Contains(public, "failing_since") {
		t.Errorf("anybody reads %s; want since when, and not the last error", public)
	}
}

func TestOperatorsReadThatTheOnlyIssuerIsEssential(t *testing.T) {
	t.Parallel()
	r := start(t)
	if _, body := r.admin(t, "/readyz"); !strings.Contains(body, `"essential":true,"keys"`) {
		t.Errorf("operators read %s; want that the only issuer is essential", body)
	}
}

func TestAnEssentialDatabaseCountsAsLongAsItFails(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.DatabaseEssential = true })
	r.wantReady(t, "at first", true)
	r.database(t, "ALTER TABLE revocations RENAME TO gone")
	r.wantReady(t, "while the database cannot be read", false)
	r.wantAdmitted(t, "who calls all the same", r.issuer.Session("user_ada"))
	var full readiness
	_, text := r.admin(t, "/readyz")
	if err := json.Unmarshal([]byte(text), &full); err != nil {
		t.Fatal(err)
	}
	if db := full.Database; !db.Essential || db.State != "failing" || db.FailingSince.IsZero() || !strings.Contains(db.LastError, "no such table") {
		t.Errorf("operators read %+v; want since when and why", db)
	}
	if _, _, public := r.send(t, http.MethodGet, "/readyz", nil, ""); strings.Contains(public, "no such table") {
		t.Errorf("anybody reads %s", public)
	}
	r.database(t, "ALTER TABLE gone RENAME TO revocations")
	r.wantReady(t, "when it works again", true)
}
