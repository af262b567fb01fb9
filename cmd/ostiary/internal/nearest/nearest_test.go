package nearest_test

import (
	"slices"
	"testing"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/nearest"
)

func TestNearestNames(t *testing.T) {
	t.Parallel()
	known := []string{"issuer", "audiences", "audience", "authorized_parties"}
	for name, want := range map[string][]string{
		"audiencs":          {"audiences", "audience"},
		"Issuer":            {"issuer"},
		"authorised_partys": {"authorized_parties"},
		"something_else":    nil,
		"":                  nil,
	} {
		if got := nearest.To(name, known); !slices.Equal(got, want) {
			t.Errorf("%q is near %v; want %v", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"GetInvoice", "getinvoice", 0}} {
		if got := nearest.Distance(test.a, test.b); got != test.want {
			t.Errorf("from %q to %q: %d; want %d", test.a, test.b, got, test.want)
		}
	}
}
