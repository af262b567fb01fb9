package position_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

type place struct {
	Time   int64  `json:"t"`
	Issuer string `json:"i"`
}

const method = "/ostiary.session.v1.SessionService/ListSessions"

var (
	epoch = position.Epoch{1, 2, 3}
	scope = position.ScopeOf(method, nil)
	last  = place{1795000000000001, "https://issuer.example.com"}
)

func TestDecodeReturnsThePlaceThatWasEncoded(t *testing.T) {
	t.Parallel()
	if got, err := position.Decode[place](position.Encode(epoch, scope, last), epoch, scope); err != nil || got != last {
		t.Errorf("a struct: %+v, %v; want %+v", got, err, last)
	}
	const number = uint64(1<<64 - 1)
	if got, err := position.Decode[uint64](position.Encode(epoch, scope, number), epoch, scope); err != nil || got != number {
		t.Errorf("a number: %d, %v; want %d", got, err, number)
	}
	if got, err := position.Decode[place]("", epoch, scope); err != nil || got != (place{}) {
		t.Errorf("an empty text: %+v, %v; want the beginning", got, err)
	}
}

// No ID that somebody chooses may break the pages of others.
func TestEveryIDThatATokenHoldsFitsIntoAPosition(t *testing.T) {
	t.Parallel()
	const headers = 32 << 10 // of a call, at most, with its token
	for _, c := range []string{"<", "&", `"`, "\n", "\x00", "\u2028", "é", "a"} {
		long := place{Issuer: strings.Repeat(c, headers/len(c))}
		text := position.Encode(epoch, scope, long)
		if got, err := position.Decode[place](text, epoch, scope); err != nil || got != long {
			t.Errorf("%q: a position of %d bytes: %v", c, len(text), err)
		}
		if (c == "<" || c == "&") && len(text) > 3*len(long.Issuer)/2 {
			t.Errorf("%q: a position of %d bytes for an id of %d", c, len(text), len(long.Issuer))
		}
	}
}

func TestDecodeRefusesWhatIsNoPositionOfTheRequest(t *testing.T) {
	t.Parallel()
	good := position.Encode(epoch, scope, last)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func([]byte) []byte) string {
		return base64.RawURLEncoding.EncodeToString(change([]byte(string(raw))))
	}
	const invalid, changed = errorv1.Reason_REASON_POSITION_INVALID, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED
	tests := map[string]struct {
		text string
		want errorv1.Reason
	}{
		"another database":                     {position.Encode(position.Epoch{9}, scope, last), changed},
		"another method":                       {position.Encode(epoch, position.ScopeOf(method+"s", nil), last), invalid},
		"another method and another database":  {position.Encode(position.Epoch{9}, position.Scope{}, last), invalid},
		"another filter":                       {position.Encode(epoch, position.ScopeOf(method, &sessionv1.ListSessionsFilter{Issuer: proto.String("https://a")}), last), invalid},
		"a filter for what is empty":           {position.Encode(epoch, position.ScopeOf(method, &sessionv1.ListSessionsFilter{OrganizationId: proto.String("")}), last), invalid},
		"text that is no base64":               {"not a position!", invalid},
		"padded base64":                        {good + "==", invalid},
		"a page token of an earlier version":   {"eyJuIjoyfQ", invalid},
		"a part of a position":                 {good[:len(good)/2], invalid},
		"nothing but a version":                {"AQ", invalid},
		"another version":                      {edit(func(b []byte) []byte { b[0]++; return b }), invalid},
		"a place with more behind it":          {edit(func(b []byte) []byte { return append(b, '1') }), invalid},
		"a place without its end":              {edit(func(b []byte) []byte { return b[:len(b)-1] }), invalid},
		"a position without a place":           {edit(func(b []byte) []byte { return b[:25] }), invalid},
		"a place of another kind":              {position.Encode(epoch, scope, 7), invalid},
		"a place with a field that is unknown": {position.Encode(epoch, scope, map[string]int{"t": 1, "x": 2}), invalid},
		"a text that is too long":              {position.Encode(epoch, scope, place{Issuer: strings.Repeat("i", 1<<20)}), invalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := position.Decode[place](test.text, epoch, scope)
			if reason, _ := rpcerror.ReasonOf(err); reason != test.want || got != (place{}) {
				t.Errorf("%+v, %v; want no place and %v", got, err, test.want)
			}
		})
	}
}

func TestAnAbsentFilterIsOneWithoutFields(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]proto.Message{
		"no message":    nil,
		"a nil message": (*sessionv1.ListSessionsFilter)(nil),
		"no fields":     &sessionv1.ListSessionsFilter{},
	} {
		if position.ScopeOf(method, filter) != scope {
			t.Errorf("%s has another scope", name)
		}
	}
}

func TestAMethodAndAFilterDoNotRunTogether(t *testing.T) {
	t.Parallel()
	filter := &revocationv1.TokenRef{Issuer: "i"}
	encoded, err := proto.Marshal(filter)
	if err != nil {
		t.Fatal(err)
	}
	if position.ScopeOf(method, filter) == position.ScopeOf(method+"\n"+string(encoded), nil) {
		t.Error("two methods have one scope")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("eyJuIjoyfQ")
	f.Add(position.Encode(epoch, scope, last))
	f.Add(position.Encode(position.Epoch{}, scope, last))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := position.Decode[place](text, epoch, scope)
		if err != nil {
			reason, _ := rpcerror.ReasonOf(err)
			if reason != errorv1.Reason_REASON_POSITION_INVALID && reason != errorv1.Reason_REASON_POSITION_EPOCH_CHANGED || got != (place{}) {
				t.Fatalf("%q: %+v, %v; want no place, and the reason of a position", text, got, err)
			}
			return
		}
		if again, err := position.Decode[place](position.Encode(epoch, scope, got), epoch, scope); err != nil || again != got {
			t.Fatalf("%q: %+v, and then %+v, %v", text, got, again, err)
		}
	})
}
