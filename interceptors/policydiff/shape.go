package policydiff

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A shape is what the messages of a method are on the wire.
type shape struct{ request, response messageShape }

// A messageShape is the fields of a message, ordered by number.
type messageShape []fieldShape

type fieldShape struct {
	number protoreflect.FieldNumber
	wire   protowire.Type // of one element
}

// shapeOf returns the shape of a declaration's method, which is found once.
func (d *declaration) shapeOf() *shape {
	if d.shape == nil {
		d.shape = &shape{messageShapeOf(d.Method.Input()), messageShapeOf(d.Method.Output())}
	}
	return d.shape
}

func messageShapeOf(m protoreflect.MessageDescriptor) messageShape {
	fields := make(messageShape, m.Fields().Len())
	for i := range fields {
		field := m.Fields().Get(i)
		fields[i] = fieldShape{field.Number(), wireTypeOf(field.Kind())}
	}
	slices.SortFunc(fields, func(x, y fieldShape) int { return int(x.number) - int(y.number) })
	return fields
}

func wireTypeOf(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	default:
		return protowire.VarintType
	}
}

// fits reports whether callers of one method could have become callers of the other
// with the same bytes: no field of the one is another in the other. A message
// without fields fits any.
func (s *shape) fits(other *shape) bool {
	return s.request.fits(other.request) && s.response.fits(other.response)
}

func (m messageShape) fits(other messageShape) bool {
	for _, field := range m {
		for len(other) > 0 && other[0].number < field.number {
			other = other[1:]
		}
		if len(other) > 0 && other[0].number == field.number && other[0].wire != field.wire {
			return false
		}
	}
	return true
}
