package policy

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	timestampMessage = "google.protobuf.Timestamp"
	durationMessage  = "google.protobuf.Duration"
)

// checkTimes says which google.protobuf.Timestamp or Duration in a message is out
// of range. To CEL such a one is another time, one that may well be in range.
func checkTimes(m protoreflect.Message) error {
	switch m.Descriptor().FullName() {
	case timestampMessage:
		seconds, nanos := timeOf(m)
		return (&timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}).CheckValid()
	case durationMessage:
		seconds, nanos := timeOf(m)
		return (&durationpb.Duration{Seconds: seconds, Nanos: nanos}).CheckValid()
	}
	var err error
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() == nil {
				break
			}
			value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
				err = checkTimes(value.Message())
				return err == nil
			})
		case field.Message() == nil:
		case field.IsList():
			for i := 0; i < value.List().Len() && err == nil; i++ {
				err = checkTimes(value.List().Get(i).Message())
			}
		default:
			err = checkTimes(value.Message())
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", field.Name(), err)
		}
		return err == nil
	})
	return err
}

// timeOf reads a time of whatever Go type, generated or not.
func timeOf(m protoreflect.Message) (seconds int64, nanos int32) {
	fields := m.Descriptor().Fields()
	return m.Get(fields.ByNumber(1)).Int(), int32(m.Get(fields.ByNumber(2)).Int()) //nolint:gosec // an int32
}
