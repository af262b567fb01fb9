package policydiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/internal/reads"
)

func (c *comparison) condition() {
	switch before, after := c.was.rule.GetRequire().GetCondition(), c.is.rule.GetRequire().GetCondition(); {
	case c.was.condition == c.is.condition:
		c.reads(after)
	case before == "":
		c.add(Stricter, "condition: is required: %s", after)
	case after == "":
		c.add(Looser, "condition: is no longer required: %s", before)
	default:
		c.add(Undecidable, "condition: %s (before: %s): %s", after, before, whichIsLooser)
	}
}

// reads compares what the same condition reads of the two requests and their
// schemas.
func (c *comparison) reads(text string) {
	if c.is.expression == nil || c.was.method == nil || c.is.method == nil {
		return // a server with such a condition does not start
	}
	before, after := c.was.reads(), c.is.reads()
	readsRequest := before.Read || after.Read
	var changed []string
	if was, is := c.was.method.Input().FullName(), c.is.method.Input().FullName(); readsRequest && was != is {
		changed = []string{fmt.Sprintf("%s (before: %s)", is, was)}
	} else {
		changed = changedReads(before, after)
	}
	if len(changed) > 0 {
		c.add(Undecidable, "condition: %s: it is the same, but now reads %s: %s", text, strings.Join(changed, ", "), whichIsLooser)
	}
	switch was, is := c.was.method.IsStreamingClient(), c.is.method.IsStreamingClient(); {
	case !readsRequest:
	case is && !was:
		c.add(Looser, "condition: %s: a stream that brings no message passes (before: one request, which had to meet it)", text)
	case was && !is:
		c.add(Stricter, "condition: %s: one request, which has to meet it (before: a stream that brought no message passed)", text)
	}
}

// changedReads lists what the condition reads differently: each field as its schema
// declares it. A new value of an enum does not change what the others mean.
func changedReads(before, after reads.Request) []string {
	all := maps.Clone(before.Fields)
	maps.Copy(all, after.Fields)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if was, is := before.Fields[name], after.Fields[name]; was != is {
			changed = append(changed, fmt.Sprintf("%s as %s (before: %s)", name, orNothing(is), orNothing(was)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Values)) {
		if was, is := before.Values[name], after.Values[name]; was != is {
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
