package main

import "testing"

func TestDistanceOfNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "Get", 3},
		{"GetNote", "getnote", 0},
		{"GetNote", "GetNotes", 1},
		{"GetNote", "GtNote", 1},
		{"GetNote", "GotNote", 1},
		{"GetNote", "PutNote", 2},
		{"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %d; want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q and %q: %d; want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
