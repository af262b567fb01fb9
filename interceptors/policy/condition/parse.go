package condition

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// An Expression is a condition that was parsed and not checked, for comparing it
// with another.
type Expression struct {
	ast  *cel.Ast
	text string
}

// Parse reads a condition. It does not check that the condition fits a request.
func Parse(text string) (*Expression, error) {
	env, err := parser()
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	ast, issues := env.Parse(text)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	return &Expression{ast, text}, nil
}

// parser knows no names.
var parser = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(cel.Macros(cel.StandardMacros...), cel.EnableMacroCallTracking(),
		cel.ParserRecursionLimit(maxDepth), cel.ParserExpressionSizeLimit(maxSize))
})

// String writes the condition without the spaces, comments and parentheses that
// mean nothing, so that two conditions with the same text are the same.
func (e *Expression) String() string {
	if text, err := cel.AstToString(e.ast); err == nil {
		return text
	}
	return e.text
}

// Reads returns what the condition reads of a request.
func (e *Expression) Reads(request protoreflect.MessageDescriptor) Reads {
	return readsOf(e.ast, request)
}
