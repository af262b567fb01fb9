package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestEveryReasonHasACodeAndAMessage(t *testing.T) {
	t.Parallel()
	if zero := auth.Reason(0); zero != auth.AuthFailure || zero.Code() != auth.CodeInternal {
		t.Errorf("the zero Reason is %v with code %v: it must never be a pass", zero, zero.Code())
	}
	if beyond := auth.Reason(255); beyond.String() != "AUTH_FAILURE" || beyond.Code() != auth.CodeInternal {
		t.Errorf("an unknown Reason is %v with code %v", beyond, beyond.Code())
	}
	seen := map[string]bool{}
	for _, reason := range auth.Reasons() {
		name := reason.String()
		if name == "" || seen[name] || strings.ToUpper(name) != name {
			t.Errorf("reason %d is named %q", reason, name)
		}
		seen[name] = true
		if message := reason.Message(); message == "" || strings.ToLower(message[:1]) != message[:1] {
			t.Errorf("%s: message %q", name, message)
		}
		if status := reason.HTTPStatus(); status < 400 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestErrorKeepsItsCauseFromTheCaller(t *testing.T) {
	t.Parallel()
	cause := errors.New("the secret detail")
	err := fmt.Errorf("wrapped: %w", auth.NewError(auth.TokenExpired, cause))

	if strings.Contains(err.Error(), "secret") {
		t.Errorf("Error() shows the cause: %v", err)
	}
	if !errors.Is(err, cause) {
		t.Error("errors.Is does not find the cause")
	}
	if !errors.Is(err, &auth.Error{Reason: auth.TokenExpired}) || errors.Is(err, &auth.Error{Reason: auth.TokenMissing}) {
		t.Error("errors.Is does not compare by reason")
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("refused", "refusal", auth.AsError(err))
	if !strings.Contains(log.String(), "the secret detail") || !strings.Contains(log.String(), "TOKEN_EXPIRED") {
		t.Errorf("the log lacks reason or cause: %s", log.String())
	}
}

func TestAsError(t *testing.T) {
	t.Parallel()
	if refusal := auth.AsError(nil); refusal == nil || refusal.Reason != auth.AuthFailure {
		t.Errorf("AsError(nil) = %v; want %v", refusal, auth.AuthFailure)
	}
	typedNil := auth.AsError(fmt.Errorf("wrapped: %w", (*auth.Error)(nil)))
	if typedNil.Reason != auth.AuthFailure || !strings.Contains(typedNil.LogValue().String(), "nil *auth.Error") {
		t.Errorf("a typed nil became %v", typedNil)
	}
	foreign := errors.New("disk full")
	if got := auth.AsError(foreign); got.Reason != auth.AuthFailure || !errors.Is(got, foreign) {
		t.Errorf("a foreign error became %v", got)
	}
	if reason, ok := auth.ReasonOf(foreign); ok || reason != auth.AuthFailure {
		t.Errorf("ReasonOf(foreign) = %v, %v", reason, ok)
	}
}

// A nil *auth.Error in an error is a fault of the program, which must not end it.
func TestErrorsIsWithANilError(t *testing.T) {
	t.Parallel()
	none, refusal := (*auth.Error)(nil), auth.NewError(auth.AuthFailure, nil)
	for name, tt := range map[string]struct {
		err, target error
		want        bool
	}{
		"a refusal is none":     {refusal, none, false},
		"none is no refusal":    {none, refusal, false},
		"none is no other":      {none, errors.New("disk full"), false},
		"none is itself":        {none, none, true},
		"none in another error": {fmt.Errorf("wrapped: %w", none), none, true},
	} {
		if got := errors.Is(tt.err, tt.target); got != tt.want {
			t.Errorf("%s: errors.Is = %t", name, got)
		}
	}
}
