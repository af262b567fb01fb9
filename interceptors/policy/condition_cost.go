package policy

import (
	"strings"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"
)

// callCosts charges by size for calls that CEL would charge one step for,
// however much they read: the size of a string, which is counted in code points;
// the equality of messages; and the methods of identity, which compare their
// argument with all that the identity has.
type callCosts struct{}

// identitySteps is what it costs to go through an identity: a token has room for
// no more.
const identitySteps = 100

// CallCost implements cel's ActualCostEstimator. nil leaves a call to CEL.
func (callCosts) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	steps := uint64(1)
	switch {
	case function == overloads.Size, function == operators.Equals, function == operators.NotEquals:
		read := uint64(0)
		for _, arg := range args {
			switch v := arg.(type) {
			case types.String:
				read += uint64(len(v))
			default:
				if message, ok := arg.Value().(proto.Message); ok {
					read += uint64(proto.Size(message)) //nolint:gosec // never negative
				}
			}
		}
		if read == 0 {
			return nil
		}
		steps += read / bytesInAStep
	case strings.HasPrefix(overload, identityOverload):
		steps += identitySteps
		for _, arg := range args[1:] {
			if s, ok := arg.(types.String); ok {
				steps += uint64(len(s)) / bytesInAStep
			}
		}
	default:
		return nil
	}
	return &steps
}

// bytesInAStep is how many bytes of a string CEL reads for a step.
const bytesInAStep = 10

// identityOverload begins the names of what identity's methods are to CEL.
const identityOverload = "identity_"
