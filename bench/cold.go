package main

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/verifiers"
)

// cold compares full verification, nothing remembered, with the one part of it
// that nobody can leave out.
func cold(ctx context.Context, effort effort) ([]measure.Table, error) {
	var tables []measure.Table
	for _, algorithm := range []struct {
		name string
		goal float64
	}{{"RS256", 1.10}, {"ES256", 1.06}, {"EdDSA", 1.08}} {
		section, err := coldSection(ctx, effort, algorithm.name, algorithm.goal)
		if err != nil {
			return nil, err
		}
		table, err := section.Run(ctx, effort.rounds)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}

func coldSection(ctx context.Context, effort effort, algorithm string, goal float64) (measure.Section, error) {
	iss := issuer.New(algorithm)
	trust, token := iss.Trust(), iss.Token(0)
	check, err := verifiers.Signature(trust, token)
	if err != nil {
		return measure.Section{}, err
	}
	const baseline = "signature check alone"
	section := measure.Section{
		Name:  "cold",
		Title: "Verifying a token for the first time, " + algorithm,
		Note: fmt.Sprintf("A session token of %d bytes, from the string to the claims, against what the standard library needs "+
			"to hash and check its signature. Keys are there; nothing is cached.", len(token)),
		Unit:  "ns",
		Chart: "CPU to verify a token, " + algorithm,
		Contenders: []measure.Contender{{
			Name: baseline, Measure: measure.CPU(effort.turn, func(int) error { return check() }),
		}},
	}
	for _, verifier := range verifiers.All() {
		verify, err := verifier.New(ctx, trust)
		if err != nil {
			return measure.Section{}, fmt.Errorf("%s: %w", verifier.Name, err)
		}
		contender := measure.Contender{
			Name:    verifier.Name,
			Against: baseline,
			Ours:    verifier.Module == "",
			Peer:    verifier.Module != "",
			Measure: measure.CPU(effort.turn, func(int) error { return verify(ctx, token) }),
		}
		if contender.Ours {
			contender.Goals = []measure.Goal{{Of: measure.Ratio, Limit: goal}, {Of: measure.Allocs, Limit: 20}}
		}
		section.Contenders = append(section.Contenders, contender)
	}
	return section, nil
}
