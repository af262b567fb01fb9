package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
)

// revoked measures what every call pays for the list of what is revoked, and
// what the list itself weighs.
func revoked(ctx context.Context, effort effort) ([]measure.Table, error) {
	before := measure.Holding()
	list, err := revoke(effort.entries)
	if err != nil {
		return nil, err
	}
	grown := measure.Holding().Since(before, effort.entries)
	goals := []measure.Goal{{Of: measure.Value, Limit: 100}, {Of: measure.Allocs}}
	asking, err := measure.Section{
		Name:  "revoked",
		Title: "Asking whether a token is revoked",
		Note: fmt.Sprintf("%d sessions, users and single tokens are revoked, and none of those that are asked about. "+
			"Of a thousand tokens in turn, the processor's cache keeps what is looked at; when it is another each time, little of the list is there.", effort.entries),
		Unit: "ns",
		Contenders: []measure.Contender{
			{Name: "a thousand tokens in turn", Ours: true, Goals: goals, Measure: measure.CPU(effort.turn, askAbout(list, 1000))},
			{Name: "another token each time", Ours: true, Goals: goals, Measure: measure.CPU(effort.turn, askAbout(list, 1_000_000))},
		},
	}.Run(ctx, effort.rounds)
	if err != nil {
		return nil, err
	}
	holding, err := measure.Section{
		Name:       "revoked",
		Title:      "Memory for each revocation",
		Note:       "What the heap has grown by for that list, divided by its length. The ids are as long as Clerk's.",
		Unit:       "bytes",
		Contenders: []measure.Contender{figure("ostiary", measure.Sample{Value: grown.Heap}, measure.Goal{Of: measure.Value, Limit: 150})},
	}.Run(ctx, 1)
	return []measure.Table{asking, holding}, err
}

// revoke revokes all that a session token names, each as often.
func revoke(n int) (*revocation.List, error) {
	kinds := []revocation.TargetKind{revocation.TargetSession, revocation.TargetSubject, revocation.TargetToken}
	list := revocation.New(revocation.Config{})
	now := time.Now()
	for i := range n {
		kind := kinds[i%len(kinds)]
		err := list.Add(revocation.Revocation{Kind: kind, Issuer: issuer.URL, ID: fmt.Sprintf("%.4s_2%026d", kind, i), Before: now})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// askAbout asks about so many tokens in turn. Their ids are cut out of one text,
// a session's here and a user's there: whoever asks in earnest has just read the
// identity, so fetching it is not to be counted.
func askAbout(list *revocation.List, tokens int) func(n int) error {
	const starts, length = 1 << 22, 32
	var text strings.Builder
	for text.Len() < starts+length {
		text.WriteString(rand.Text())
	}
	cut := func(n int) string {
		at := n & (starts - 1)
		return text.String()[at : at+length]
	}
	id := &auth.Identity{Issuer: issuer.URL, Kind: auth.KindSession, IssuedAt: time.Now()}
	return func(n int) error {
		at := 3 * (n % tokens)
		id.SessionID, id.Subject, id.TokenID = cut(at), cut(at+1), cut(at+2)
		return list.Revoked(id)
	}
}

// figure is a contender whose one sample is known already: it takes a while to
// get, or comes with others.
func figure(name string, sample measure.Sample, goals ...measure.Goal) measure.Contender {
	return measure.Contender{
		Name: name, Ours: true, Goals: goals,
		Measure: func(context.Context) (measure.Sample, error) { return sample, nil },
	}
}
