// Package decodefault carries the fault of a message that a codec could not read to where
// it can be answered. What a codec returns is answered by connect-go and grpc-go
// themselves, without a reason. So the codec calls [Set] instead and returns nil, and
// the interceptor that sees the message before the handler asks [Of].
package decodefault

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	// field is the highest number of a field, which no message has.
	field protowire.Number = protowire.MaxValidNumber
	// maxText bounds the text, which repeats parts of the request, and may have to fit
	// into a header.
	maxText = 500
)

// Set makes the fault all that a message contains, as an unknown field.
func Set(m proto.Message, fault error) {
	text := strings.TrimSpace(strings.TrimPrefix(fault.Error(), "proto:"))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	text = strings.ToValidUTF8(text, "�") // or no protocol can send it
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), text))
}

// Of returns the fault that Set left, or nil. The sender of such a field in a binary
// message gets it back as a refusal.
func Of(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	unknown := m.ProtoReflect().GetUnknown()
	number, kind, n := protowire.ConsumeTag(unknown)
	if n < 0 || number != field || kind != protowire.BytesType {
		return nil
	}
	text, n := protowire.ConsumeString(unknown[n:])
	if n < 0 {
		return nil
	}
	return errors.New(strings.ToValidUTF8(text, "�"))
}
