package condition

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/interceptors/internal/reads"
)

const (
	timestampMessage = "google.protobuf.Timestamp"
	durationMessage  = "google.protobuf.Duration"
)

// A messageCheck checks a request before a condition reads it. It is for the messages
// that CEL converts to its own values: CEL copies such a message each time it reads it,
// without a charge. The zero value checks nothing.
type messageCheck struct {
	times   bool                           // whether it computes with times
	json    map[protoreflect.FullName]bool // the JSON fields that it reads, as in reads.Request
	longest int                            // the limit of one of those messages, in bytes, so that all its copies are within maxCost
}

// maxMessages is how many messages in a request are checked. One with more is refused.
const maxMessages = maxCost

// check returns what is wrong with which field of the request. It names no deeper field,
// because callers may nest messages deeply.
func (c messageCheck) check(m protoreflect.Message) error {
	if !c.times && len(c.json) == 0 {
		return nil
	}
	left := maxMessages
	if isOwn(m.Descriptor()) {
		if err := c.value(&left, m.Descriptor().FullName(), m); err != nil {
			return fmt.Errorf("the request: %w", err)
		}
		return nil
	}
	for field, child := range messagesOf(m) {
		if err := c.value(&left, field.FullName(), child); err != nil {
			return fmt.Errorf("the request's %s: %w", field.Name(), err)
		}
	}
	return nil
}

// value checks a message of the named field, and all messages in it, up to left ones.
func (c messageCheck) value(left *int, name protoreflect.FullName, m protoreflect.Message) error {
	if *left--; *left < 0 {
		return fmt.Errorf("more messages than are checked, and the limit is %d", maxMessages)
	}
	switch {
	case isTime(m.Descriptor()):
		if !c.times {
			return nil
		}
		if err := checkTime(m); err != nil {
			return err
		}
	case reads.IsJSON(m.Descriptor()):
		if !c.json[name] {
			return nil
		}
	default:
		for field, child := range messagesOf(m) {
			if err := c.value(left, field.FullName(), child); err != nil {
				return err
			}
		}
		return nil
	}
	if isLonger(m, c.longest) {
		return fmt.Errorf("a %s of more than %d bytes, which is the limit: send less of it, or name the request less often in the condition", m.Descriptor().FullName(), c.longest)
	}
	return nil
}

// isOwn reports whether CEL converts messages of this type to values of its own.
func isOwn(m protoreflect.MessageDescriptor) bool {
	return reads.IsJSON(m) || isTime(m)
}

func isTime(m protoreflect.MessageDescriptor) bool {
	return m.FullName() == timestampMessage || m.FullName() == durationMessage
}

// checkTime refuses a time that is out of range. CEL would read it as another time,
// which may be in range.
func checkTime(m protoreflect.Message) error {
	fields := m.Descriptor().Fields()                                                         // of whatever Go type, generated or not
	seconds, nanos := m.Get(fields.ByNumber(1)).Int(), int32(m.Get(fields.ByNumber(2)).Int()) //nolint:gosec // an int32
	if m.Descriptor().FullName() == durationMessage {
		return (&durationpb.Duration{Seconds: seconds, Nanos: nanos}).CheckValid()
	}
	return (&timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}).CheckValid()
}

// messagesOf yields the messages in the fields of a message, also in lists and maps, but
// not the messages in those.
func messagesOf(m protoreflect.Message) iter.Seq2[protoreflect.FieldDescriptor, protoreflect.Message] {
	return func(yield func(protoreflect.FieldDescriptor, protoreflect.Message) bool) {
		m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			switch {
			case field.Message() == nil:
			case field.IsMap():
				more := true
				if field.MapValue().Message() != nil {
					value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
						more = yield(field, value.Message())
						return more
					})
				}
				return more
			case field.IsList():
				for i := range value.List().Len() {
					if !yield(field, value.List().Get(i).Message()) {
						return false
					}
				}
			default:
				return yield(field, value.Message())
			}
			return true
		})
	}
}
