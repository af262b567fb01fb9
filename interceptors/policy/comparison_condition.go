package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
)

func (c *comparison) condition(before, after string) {
	switch {
	case canonical(before) == canonical(after):
	case before == "":
		c.add(Stricter, "condition: is required: %s", after)
	case after == "":
		c.add(Looser, "condition: is no longer required: %s", before)
	default:
		c.add(Undecidable, "condition: %s (before: %s): which of the two lets more callers pass cannot be decided", after, before)
	}
}

// canonical writes a condition as every other of the same expression, whatever
// spaces and comments it has. One that cannot be read stays as it is.
func canonical(condition string) string {
	condition = strings.TrimSpace(condition)
	env, err := cel.NewCustomEnv(cel.Macros(cel.StandardMacros...), cel.EnableMacroCallTracking(),
		cel.ParserRecursionLimit(conditionDepth), cel.ParserExpressionSizeLimit(conditionSize))
	if err != nil {
		return condition
	}
	ast, issues := env.Parse(condition)
	if issues.Err() != nil {
		return condition
	}
	if text, err := cel.AstToString(ast); err == nil {
		return text
	}
	return condition
}
