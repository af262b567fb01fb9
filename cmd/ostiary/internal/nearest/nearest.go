// Package nearest finds what somebody meant who has mistyped a name.
//
//	nearest.To("OSTIARY_AUDIENCE", names) // [OSTIARY_AUDIENCES]
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// maxNames is how many names are proposed at most.
const maxNames = 3

// To returns the known names that are like name, at most three, the most alike first. A name
// is like another if at most 2 letters differ, or a third of them.
func To(name string, known []string) []string {
	return ToBy(known, func(candidate string) (int, int) { return Distance(name, candidate), len(candidate) })
}

// ToBy is To where measure says how many letters of a known name differ, and how many it has.
func ToBy(known []string, measure func(string) (distance, letters int)) []string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	for _, name := range known {
		if distance, letters := measure(name); distance <= max(2, letters/3) {
			near = append(near, candidate{name, distance})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range near[:min(maxNames, len(near))] {
		names = append(names, c.name)
	}
	return names
}

// Distance is how many letters must be added, removed or replaced to make one name of the
// other, in lower case (Levenshtein's).
func Distance(a, b string) int {
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
