package condition

import (
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// callCosts charges a call for all that it is given to read: a step for every
// bytesInAStep, and as reading says. Of its own accord CEL charges one step for most
// calls, whatever they are given, such as for the equality of messages or for a
// number that is written in a million digits.
//
// CEL charges for a call once it was made, and so no call may be much work by itself.
// Those that would be are refused before they are made: see bounded and matching.
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
	case operators.Equals, operators.NotEquals, operators.In, operators.OldIn:
		args = compared(function, args)
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

// compared returns which arguments an equality or an in reads.
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
