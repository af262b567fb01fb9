package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

func (c *comparison) condition(before, after string) {
	switch {
	case canonical(before) == canonical(after):
		c.read(after)
	case before == "":
		c.add(Stricter, "condition: is required: %s", after)
	case after == "":
		c.add(Looser, "condition: is no longer required: %s", before)
	default:
		c.add(Undecidable, "condition: %s (before: %s): %s", after, before, whichIsLooser)
	}
}

// read compares what the same condition reads of the two requests and their
// schemas.
func (c *comparison) read(condition string) {
	ast, err := parse(condition)
	if err != nil || c.was == nil || c.is == nil {
		return // a server with such a condition does not start
	}
	before, after := readsOf(ast, c.was.Input()), readsOf(ast, c.is.Input())
	readsRequest := before.request || after.request
	var changed []string
	if was, is := c.was.Input().FullName(), c.is.Input().FullName(); readsRequest && was != is {
		changed = []string{fmt.Sprintf("%s (before: %s)", is, was)}
	} else {
		changed = before.changed(after)
	}
	if len(changed) > 0 {
		c.add(Undecidable, "condition: %s: it is the same, but now reads %s: %s", condition, strings.Join(changed, ", "), whichIsLooser)
	}
	switch was, is := c.was.IsStreamingClient(), c.is.IsStreamingClient(); {
	case !readsRequest:
	case is && !was:
		c.add(Looser, "condition: %s: a stream that brings no message passes (before: one request, which had to meet it)", condition)
	case was && !is:
		c.add(Stricter, "condition: %s: one request, which has to meet it (before: a stream that brought no message passed)", condition)
	}
}

// changed says what is not read as it was: each field as its schema declares it.
// A new value of an enum is no change to whoever sends the others.
func (r reads) changed(after reads) []string {
	all := maps.Clone(r.fields)
	maps.Copy(all, after.fields)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if was, is := r.fields[name], after.fields[name]; was != is {
			changed = append(changed, fmt.Sprintf("%s as %s (before: %s)", name, orNothing(is), orNothing(was)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if was, is := r.values[name], after.values[name]; was != is {
			changed = append(changed, fmt.Sprintf("%s as %s (before: %s)", name, orNothing(is), was))
		}
	}
	return changed
}

func orNothing(declaration string) string {
	if declaration == "" {
		return "nothing"
	}
	return declaration
}

// canonical writes a condition as every other of the same expression, whatever
// spaces and comments it has. One that cannot be read stays as it is.
func canonical(condition string) string {
	condition = strings.TrimSpace(condition)
	ast, err := parse(condition)
	if err != nil {
		return condition
	}
	if text, err := cel.AstToString(ast); err == nil {
		return text
	}
	return condition
}

func parse(condition string) (*cel.Ast, error) {
	env, err := cel.NewCustomEnv(cel.Macros(cel.StandardMacros...), cel.EnableMacroCallTracking(),
		cel.ParserRecursionLimit(conditionDepth), cel.ParserExpressionSizeLimit(conditionSize))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Parse(condition)
	return ast, issues.Err()
}
