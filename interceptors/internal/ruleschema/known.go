package ruleschema

import "google.golang.org/protobuf/reflect/protoreflect"

// Known reports whether this version knows every field of a rule and every enum
// value in it.
func Known(m protoreflect.Message) bool {
	all := len(m.GetUnknown()) == 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		all = all && knownPart(field, value)
		return all
	})
	return all
}

// knownPart is Known for one field. No part of a rule is a map or a list of messages.
func knownPart(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	switch {
	case field.Message() != nil:
		return Known(value.Message())
	case field.Enum() == nil:
		return true
	case !field.IsList():
		return field.Enum().Values().ByNumber(value.Enum()) != nil
	}
	for i := range value.List().Len() {
		if field.Enum().Values().ByNumber(value.List().Get(i).Enum()) == nil {
			return false
		}
	}
	return true
}
