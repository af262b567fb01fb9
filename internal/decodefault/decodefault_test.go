package decodefault_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary/internal/decodefault"
)

func TestAFaultIsAllThatIsLeftOfAMessage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"proto: cannot parse":    "cannot parse",
		"with \xff in it":        "with � in it",
		strings.Repeat("ä", 400): strings.Repeat("ä", 250) + "…",
	} {
		message := wrapperspb.String("half of it")
		decodefault.Set(message, errors.New(text))
		got := decodefault.Of(message)
		if got == nil || got.Error() != want || message.GetValue() != "" || !utf8.ValidString(got.Error()) {
			t.Errorf("%.20q became %v in %v; want %.20q", text, got, message, want)
		}
	}
}

func TestAMessageThatWasReadHasNoFault(t *testing.T) {
	t.Parallel()
	newer := wrapperspb.String("hello")
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	for name, message := range map[string]any{
		"a message":                    wrapperspb.String("hello"),
		"one with a newer field":       newer,
		"something that is no message": "hello",
		"nil":                          nil,
	} {
		if fault := decodefault.Of(message); fault != nil {
			t.Errorf("%s has the fault %v", name, fault)
		}
	}
}
