package server

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/settings"
)

func TestRevocationsAreKeptForAsLongAsTheLongestToken(t *testing.T) {
	t.Parallel()
	for want, issuers := range map[time.Duration][]settings.Issuer{
		24*time.Hour + 10*time.Second: {{}},
		time.Minute:                   {{MaxLifetime: time.Minute, Skew: -1}},
		48*time.Hour + 2*time.Minute:  {{}, {MaxLifetime: 48 * time.Hour, Skew: time.Minute}, {MaxLifetime: time.Hour}},
	} {
		if got := longestLifetime(settings.Config{Issuers: issuers}); got != want {
			t.Errorf("%+v: %s; want %s", issuers, got, want)
		}
	}
}

func TestSkewsAreThoseOfEachTenant(t *testing.T) {
	t.Parallel()
	template := settings.Issuer{URL: "https://login.example.com/{tenantid}", Tenants: []string{"t1", "t2"}}
	got := skews(settings.Config{Issuers: []settings.Issuer{template}})
	if len(got) != 2 || got["https://login.example.com/t1"] == 0 || got["https://login.example.com/t2"] == 0 {
		t.Errorf("skews %v; want those of both tenants", got)
	}
}
