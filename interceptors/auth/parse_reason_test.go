package auth_test

import (
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestParseReasonReadsEveryReasonsName(t *testing.T) {
	t.Parallel()
	for _, want := range auth.Reasons() {
		got, ok := auth.ParseReason(want.String())
		if !ok || got != want {
			t.Errorf("ParseReason(%q) = %v, %t; want %v, true", want, got, ok, want)
		}
	}
}

func TestParseReasonRefusesOtherNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "token_expired", "TOKEN_EXPIRED ", "EXPIRED"} {
		if got, ok := auth.ParseReason(name); ok {
			t.Errorf("ParseReason(%q) = %v, true; want false", name, got)
		}
	}
}
