package auth_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// infoOf returns the ErrorInfo among the details of a refusal.
func infoOf(t *testing.T, refusal *auth.Error) *errdetails.ErrorInfo {
	t.Helper()
	for _, detail := range refusal.Details("") {
		info := new(errdetails.ErrorInfo)
		if detail.MessageIs(info) {
			if err := detail.UnmarshalTo(info); err != nil {
				t.Fatal(err)
			}
			return info
		}
	}
	t.Fatal("no ErrorInfo")
	return nil
}

func TestDetailsSayWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	info := func(reason string, metadata map[string]string) proto.Message {
		return &errdetails.ErrorInfo{Reason: reason, Domain: auth.ErrorDomain, Metadata: metadata}
	}
	help := func(reason string) proto.Message {
		return &errdetails.Help{Links: []*errdetails.Help_Link{{
			Description: "what to do about " + reason,
			Url:         auth.TroubleshootingURL + "#" + strings.ToLower(reason),
		}}}
	}
	retry := func(after time.Duration) proto.Message {
		return &errdetails.RetryInfo{RetryDelay: durationpb.New(after)}
	}
	for name, tt := range map[string]struct {
		refusal *auth.Error
		want    []proto.Message
	}{
		"a reason alone": {
			auth.NewError(auth.TokenExpired, nil),
			[]proto.Message{info("TOKEN_EXPIRED", nil), help("TOKEN_EXPIRED")},
		},
		"a reason that passes": {
			auth.NewError(auth.KeysUnavailable, nil),
			[]proto.Message{info("KEYS_UNAVAILABLE", nil), help("KEYS_UNAVAILABLE"), retry(5 * time.Second)},
		},
		"a reason that passes later": {
			&auth.Error{Reason: auth.KeysUnavailable, RetryAfter: time.Minute},
			[]proto.Message{info("KEYS_UNAVAILABLE", nil), help("KEYS_UNAVAILABLE"), retry(time.Minute)},
		},
		"a demand": {
			&auth.Error{Reason: auth.ScopeRequired, Demand: &auth.Demand{Scopes: []string{"a", "b"}}},
			[]proto.Message{info("SCOPE_REQUIRED", map[string]string{"scope": "a b"}), help("SCOPE_REQUIRED")},
		},
		"a reason that is not on the list": {
			&auth.Error{Reason: 255},
			[]proto.Message{info("AUTH_FAILURE", nil), help("AUTH_FAILURE")},
		},
	} {
		got := tt.refusal.Details("")
		if len(got) != len(tt.want) {
			t.Errorf("%s: %d details; want %d", name, len(got), len(tt.want))
			continue
		}
		for i, encoded := range got {
			if detail, err := encoded.UnmarshalNew(); err != nil || !proto.Equal(detail, tt.want[i]) {
				t.Errorf("%s: detail %v, %v; want %v", name, detail, err, tt.want[i])
			}
		}
	}
}
