package main

import (
	"context"

	"github.com/ostiary/ostiary/bench/measure"
)

// A section is what -run chooses by name. It has a table, or several that share
// their preparation.
type section struct {
	name    string
	measure func(ctx context.Context, effort effort) ([]measure.Table, error)
}

func sections() []section {
	return []section{
		{"cold", cold},
		{"warm", warm},
		{"cores", cores},
		{"calls", calls},
		{"streams", streams},
		{"policy", decisions},
		{"memory", memory},
		{"revoked", revoked},
		{"leases", leases},
		{"watchers", watchers},
	}
}

// one makes a single table of a section.
func one(ctx context.Context, s measure.Section, rounds int) ([]measure.Table, error) {
	table, err := s.Run(ctx, rounds)
	return []measure.Table{table}, err
}

// each makes a table of each section of which there is but one sample.
func each(ctx context.Context, sections ...measure.Section) ([]measure.Table, error) {
	var tables []measure.Table
	for _, section := range sections {
		table, err := section.Run(ctx, 1)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}
