package condition

import (
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"
)

// callCosts charges a call for all that it is given to read: a step for every
// bytesInAStep. Of its own accord CEL charges one step for most calls, whatever
// they are given, such as for the equality of messages or for a number that is
// written in a million digits.
//
// CEL charges for a call once it was made, and so no call may be more than one
// pass over what it is given. See matching for the one that would be.
type callCosts struct{}

const (
	// bytesInAStep is how many bytes of a string CEL reads for a step.
	bytesInAStep = 10
	// identitySteps is what it costs to go through an identity: a token has room
	// for no more.
	identitySteps = 100
	// zoneSteps is what it costs to load a time zone.
	zoneSteps = 1000
)

// identityOverload begins the names of what identity's methods are to CEL.
const identityOverload = "identity_"

// CallCost implements cel's ActualCostEstimator. nil leaves a call to CEL.
func (callCosts) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	var steps uint64 = 1
	switch function {
	case overloads.StartsWith, overloads.EndsWith, overloads.Matches:
		return nil // as CEL does: by what is looked for, and for a match by both
	case operators.Equals, operators.NotEquals:
		if isText(args[0]) && isText(args[1]) {
			args = shorter(args) // two of different lengths are not compared at all
		}
	case operators.In, operators.OldIn:
		if _, hashed := args[1].(traits.Mapper); hashed {
			args = args[:1]
		}
	case operators.Add:
		if _, linked := args[0].(traits.Lister); linked {
			args = args[1:] // the first one is what a loop has gathered so far
		}
	case overloads.Size, overloads.TypeConvertDyn, overloads.TypeConvertType:
		if !isText(args[0]) {
			return &steps // it reads nothing
		}
	default:
		switch {
		case strings.HasPrefix(overload, identityOverload):
			steps += identitySteps
			args = args[1:]
		case strings.HasPrefix(function, "get") && len(args) == 2:
			steps += zoneSteps
		}
	}
	var read reading
	for _, arg := range args {
		read.value(arg)
	}
	steps += uint64(read) / bytesInAStep
	return &steps
}

func isText(v ref.Val) bool {
	switch v.(type) {
	case types.String, types.Bytes:
		return true
	default:
		return false
	}
}

func shorter(texts []ref.Val) []ref.Val {
	var first, second reading
	first.value(texts[0])
	second.value(texts[1])
	if first < second {
		return texts[:1]
	}
	return texts[1:]
}

// A reading is how many bytes there are to read.
type reading uint64

func (r *reading) value(v ref.Val) {
	switch v := v.(type) {
	case types.String:
		*r += reading(len(v))
	case types.Bytes:
		*r += reading(len(v))
	case traits.Mapper:
		for i := v.Iterator(); i.HasNext() == types.True; {
			key := i.Next()
			r.element(key)
			r.value(v.Get(key))
		}
	case traits.Lister:
		for i := v.Iterator(); i.HasNext() == types.True; {
			r.element(i.Next())
		}
	default:
		if message, ok := v.Value().(proto.Message); ok {
			*r += reading(proto.Size(message)) //nolint:gosec // never negative
		}
	}
}

// element costs a step, however small it is.
func (r *reading) element(v ref.Val) {
	*r += bytesInAStep
	r.value(v)
}
