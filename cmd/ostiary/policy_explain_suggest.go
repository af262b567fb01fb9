package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/policy"
)

// unknownProcedure says which methods have a name like the one that has no rule.
func unknownProcedure(name string, entries []policy.Entry) error {
	type candidate struct {
		procedure string
		distance  int
	}
	var near []candidate
	for _, entry := range entries {
		// The method's own name counts most: services are easily mistaken.
		d := min(distance(name, entry.Procedure), 1+distance(path.Base(name), path.Base(entry.Procedure)))
		if d <= max(2, len(path.Base(entry.Procedure))/3) {
			near = append(near, candidate{entry.Procedure, d})
		}
	}
	if len(near) == 0 {
		return fmt.Errorf("no method %q has a rule; for those that do, run: ostiary policy list", name)
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range near[:min(3, len(near))] {
		names = append(names, c.procedure)
	}
	return fmt.Errorf("no method %q has a rule; did you mean %s?", name, strings.Join(names, " or "))
}

// distance is how many letters must be added, removed or replaced to make one
// name of the other, in lower case (Levenshtein's).
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
