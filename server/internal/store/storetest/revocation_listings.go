package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func revocationListings(t *testing.T, database Database) {
	s := open(t, database)
	caller := func(subject string) store.Origin {
		return store.Origin{Kind: store.OriginCaller, Caller: store.Caller{Issuer: ada.Issuer, Subject: subject}}
	}
	saved := must[[]store.Revocation](t)(s.SaveRevocations(t.Context(), []store.Revocation{
		0: {Target: store.Target{Kind: "subject", Issuer: ada.Issuer, Value: "user_ada"}, CreatedAt: at(0), Origin: caller("user_ops"), Cause: "the phone was lost"},
		1: {Target: store.Target{Kind: "session", Issuer: ada.Issuer, Value: "sess_1", Subject: "user_ada"}, CreatedAt: at(time.Second), Origin: caller("user_ada")},
		2: {Target: store.Target{Kind: "member", Issuer: stranger.Issuer, Value: "org_acme", Subject: "user_ada"}, CreatedAt: at(2 * time.Second), Origin: caller("user_ops")},
		3: {Target: store.Target{Kind: "token", Issuer: ada.Issuer, Value: "user_ada"}, CreatedAt: at(3 * time.Second), Origin: store.Origin{Kind: store.OriginSignal}, Cause: "50% of 'déjà_vu' \\"},
		4: {Target: store.Target{Kind: "machine", Issuer: ada.Issuer, Value: "mch_1"}, CreatedAt: at(4 * time.Second), Origin: caller("user_\xff")},
		5: {Target: store.Target{Kind: "issuer", Issuer: ada.Issuer}, CreatedAt: at(5 * time.Second), Origin: caller("user_ops")},
	}, nil))
	for name, test := range map[string]struct {
		listing store.RevocationListing
		want    []int
	}{
		"all":                                {store.RevocationListing{}, []int{0, 1, 2, 3, 4, 5}},
		"two kinds":                          {store.RevocationListing{Kinds: []string{"subject", "issuer"}}, []int{0, 5}},
		"no such kind":                       {store.RevocationListing{Kinds: []string{"planet"}}, nil},
		"an issuer":                          {store.RevocationListing{Issuer: stranger.Issuer}, []int{2}},
		"a subject":                          {store.RevocationListing{Subject: "user_ada"}, []int{0, 1, 2}},
		"a machine":                          {store.RevocationListing{Subject: "mch_1"}, []int{4}},
		"a part of a name":                   {store.RevocationListing{Text: "acm"}, []int{2}},
		"a part of the name of who was told": {store.RevocationListing{Text: "er_ad"}, []int{0, 1, 2, 3}},
		"a part of a cause":                  {store.RevocationListing{Text: "phone"}, []int{0}},
		"what others would read as a sign":   {store.RevocationListing{Text: "% of 'déjà_vu' \\"}, []int{3}},
		"a text in another case":             {store.RevocationListing{Text: "PHONE"}, nil},
		"a part of who has revoked":          {store.RevocationListing{Text: "_ops"}, []int{0, 2, 5}},
		"who has revoked":                    {store.RevocationListing{By: new("user_ops")}, []int{0, 2, 5}},
		"nobody":                             {store.RevocationListing{By: new("")}, []int{3}},
		"whose name is no text":              {store.RevocationListing{By: new("user_\xff")}, []int{4}},
		"since a time":                       {store.RevocationListing{Since: at(4 * time.Second)}, []int{4, 5}},
		"everything at once": {store.RevocationListing{
			Kinds: []string{"member", "subject"}, Issuer: ada.Issuer, Subject: "user_ada", Text: "lost", Since: at(0), By: new("user_ops"),
		}, []int{0}},
	} {
		want := make([]store.Revocation, 0, len(test.want))
		for _, i := range test.want {
			want = append(want, saved[i])
		}
		for _, newestFirst := range []bool{false, true} {
			test.listing.NewestFirst = newestFirst
			what := fmt.Sprintf("%s, newest first: %t", name, newestFirst)
			wanted := slices.Clone(want)
			if newestFirst {
				slices.Reverse(wanted)
			}
			var got []store.Revocation
			for listing := test.listing; ; {
				page := must[[]store.Revocation](t)(s.Revocations(t.Context(), listing, 2))
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				listing.After = page[len(page)-1]
			}
			equal(t, what, got, slices.Clip(append([]store.Revocation(nil), wanted...)))
			equal(t, what+", their count", must[int64](t)(s.CountRevocations(t.Context(), test.listing)), int64(len(want)))
		}
	}
	for n, want := range map[int]store.Revocation{1: saved[0], 3: saved[2], 7: {}} {
		place := store.Revocation{Sequence: want.Sequence, CreatedAt: want.CreatedAt}
		equal(t, fmt.Sprintf("the place of %d", n), must[store.Revocation](t)(s.RevocationAt(t.Context(), store.RevocationListing{}, n)), place)
	}
	last := must[store.Revocation](t)(s.RevocationAt(t.Context(), store.RevocationListing{NewestFirst: true, After: saved[5]}, 2))
	equal(t, "the second behind the newest", last.Sequence, saved[3].Sequence)
	bounded := store.RevocationListing{Kinds: []string{"subject", "token"}, NewestFirst: true, Until: last.Sequence}
	equal(t, "down to that", must[[]store.Revocation](t)(s.Revocations(t.Context(), bounded, 10)), saved[3:4])
	equal(t, "their count", must[int64](t)(s.CountRevocations(t.Context(), bounded)), 1)
}
