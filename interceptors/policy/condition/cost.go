package condition

import (
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// callCosts charges a call for all that it reads of its arguments: a step for every
// bytesInAStep. By default CEL charges one step for most calls, whatever their
// arguments, even for the equality of messages or for parsing a million digits.
//
// CEL charges for a call after it was made, so no single call may be much work. Those
// that would be are refused before they are made: see bounded and matching.
type callCosts struct{}

const (
	// bytesInAStep is how many bytes of a string CEL reads for a step.
	bytesInAStep = 10
	// identitySteps is what it costs to go through an identity, whose size the
	// longest token limits.
	identitySteps = 100
	// zoneSteps is what it costs to load a time zone.
	zoneSteps = 1000
)

// identityOverload begins the overload IDs of the methods of identity.
const identityOverload = "identity_"

// CallCost implements cel's ActualCostEstimator. nil leaves a call to CEL.
func (callCosts) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	var steps uint64 = 1
	switch function {
	case overloads.StartsWith, overloads.EndsWith, overloads.Matches:
		return nil // CEL charges by the length of the argument, and for a match of text and pattern
	case operators.Equals, operators.NotEquals, operators.In, operators.OldIn:
		args = compared(function, args)
	case operators.Add:
		if _, linked := args[0].(traits.Lister); linked {
			args = args[1:] // the first one is the list that a loop has built so far
		}
	case overloads.Size, overloads.TypeConvertDyn, overloads.TypeConvertType:
		if !isText(args[0]) {
			return &steps // it reads nothing
		}
	default:
		switch {
		case isStringFunction(function):
			steps += stepsOnStrings(function, args)
			return &steps
		case strings.HasPrefix(overload, identityOverload):
			steps += identitySteps
			args = args[1:]
		case strings.HasPrefix(function, "get") && len(args) == 2:
			steps += zoneSteps
		}
	}
	steps += stepsToRead(args)
	return &steps
}

// compared returns the arguments that an equality or an in reads.
func compared(function string, args []ref.Val) []ref.Val {
	switch {
	case function == operators.In || function == operators.OldIn:
		if _, hashed := args[1].(traits.Mapper); hashed {
			return args[:1]
		}
	case isText(args[0]) && isText(args[1]): // two of different lengths are not compared at all
		if stepsToRead(args[:1]) < stepsToRead(args[1:]) {
			return args[:1]
		}
		return args[1:]
	}
	return args
}

func isText(v ref.Val) bool {
	switch v.(type) {
	case types.String, types.Bytes:
		return true
	default:
		return false
	}
}

// Weights are the costs of an element of a list, an entry of a map and a message, beside
// their content, in bytes.
type weights struct{ element, entry, message int }

var (
	// comparing costs one step for each element. Maps and messages are much slower.
	comparing = weights{element: bytesInAStep, entry: 10 * bytesInAStep, message: 10 * bytesInAStep}
	// encoded has the least bytes that each takes in an encoded message.
	encoded = weights{element: 1, entry: 2, message: 2}
)

// A reading measures values, up to a number of bytes. It stops when none is left, so
// that it takes no longer for values that are too large.
type reading struct {
	weights

	left   int
	failed ref.Val // the error that one of the values is; nil for none
}

// stepsToRead returns how many steps it costs to read values, or more than maxCost.
func stepsToRead(values []ref.Val) uint64 {
	bytes := 0
	for _, v := range values {
		switch v := v.(type) {
		case types.String:
			bytes += len(v)
		case types.Bytes:
			bytes += len(v)
		case types.Bool, types.Int, types.Uint, types.Double, types.Timestamp, types.Duration, types.Null, structValue:
		default:
			return stepsToReadMany(values)
		}
	}
	return uint64(min(bytes/bytesInAStep, maxCost+1))
}

// stepsToReadMany is stepsToRead for values that hold others.
func stepsToReadMany(values []ref.Val) uint64 {
	r := newReading(comparing)
	r.values(values)
	return r.steps()
}

// newReading returns a reading of as many bytes as a condition may read, and a step more.
func newReading(w weights) reading { return reading{weights: w, left: (maxCost + 1) * bytesInAStep} }

// steps returns what was read from a newReading, or more than maxCost.
func (r *reading) steps() uint64 {
	return uint64(maxCost + 1 - max(0, r.left)/bytesInAStep) //nolint:gosec // never negative
}

// isLonger reports whether a message takes more than so many bytes.
func isLonger(m protoreflect.Message, bytes int) bool {
	r := reading{weights: encoded, left: bytes + 1}
	return !r.content(m)
}

// take reports whether there is anything left.
func (r *reading) take(bytes int) bool {
	r.left -= bytes
	return r.left > 0
}

func (r *reading) values(all []ref.Val) {
	for _, v := range all {
		r.value(v)
	}
}

func (r *reading) value(v ref.Val) bool {
	switch v := v.(type) {
	case types.String:
		return r.take(len(v))
	case types.Bytes:
		return r.take(len(v))
	case traits.Mapper:
		if n, ok := v.Size().(types.Int); ok && int(n) > r.left/r.entry {
			return r.take(r.left)
		}
		for i := v.Iterator(); i.HasNext() == types.True; {
			key := i.Next()
			if !r.take(r.entry) || !r.value(key) || !r.value(v.Get(key)) {
				return false
			}
		}
	case traits.Lister:
		if n, ok := v.Size().(types.Int); ok && int(n) > r.left/r.element {
			return r.take(r.left)
		}
		for i := v.Iterator(); i.HasNext() == types.True; {
			if !r.take(r.element) || !r.value(i.Next()) {
				return false
			}
		}
	case *types.Err: // in a list or a map, where CEL treats it as equal to anything
		r.failed = v
		return false
	case types.Timestamp, types.Duration:
		return r.take(r.message) // it was made of a message
	default:
		if message, ok := v.Value().(proto.Message); ok {
			return r.take(r.message) && r.content(message.ProtoReflect())
		}
	}
	return r.left > 0
}

// content reads the fields of a message.
func (r *reading) content(m protoreflect.Message) bool {
	if !r.take(len(m.GetUnknown())) {
		return false
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				return r.take(r.entry) && r.single(key.Value()) && r.single(value)
			})
		case field.IsList():
			list := value.List()
			for i := range list.Len() {
				if !r.take(r.element) || !r.single(list.Get(i)) {
					break
				}
			}
		default:
			r.single(value)
		}
		return r.left > 0
	})
	return r.left > 0
}

// single reads a value that is neither a list nor a map.
func (r *reading) single(value protoreflect.Value) bool {
	switch value := value.Interface().(type) {
	case string:
		return r.take(len(value))
	case []byte:
		return r.take(len(value))
	case protoreflect.Message:
		return r.take(r.message) && r.content(value)
	default:
		return r.take(1)
	}
}
