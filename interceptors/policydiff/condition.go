package policydiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/policy/condition"
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
func (c *comparison) read(text string) {
	parsed, err := condition.Parse(text)
	if err != nil || c.was == nil || c.is == nil {
		return // a server with such a condition does not start
	}
	before, after := parsed.Reads(c.was.Input()), parsed.Reads(c.is.Input())
	readsRequest := before.Request || after.Request
	var changed []string
	if was, is := c.was.Input().FullName(), c.is.Input().FullName(); readsRequest && was != is {
		changed = []string{fmt.Sprintf("%s (before: %s)", is, was)}
	} else {
		changed = changedReads(before, after)
	}
	if len(changed) > 0 {
		c.add(Undecidable, "condition: %s: it is the same, but now reads %s: %s", text, strings.Join(changed, ", "), whichIsLooser)
	}
	switch was, is := c.was.IsStreamingClient(), c.is.IsStreamingClient(); {
	case !readsRequest:
	case is && !was:
		c.add(Looser, "condition: %s: a stream that brings no message passes (before: one request, which had to meet it)", text)
	case was && !is:
		c.add(Stricter, "condition: %s: one request, which has to meet it (before: a stream that brought no message passed)", text)
	}
}

// changedReads says what is not read as it was: each field as its schema declares
// it. A new value of an enum is no change to whoever sends the others.
func changedReads(before, after condition.Reads) []string {
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

// canonical writes a condition without the spaces, comments and parentheses that
// mean nothing. One that cannot be parsed stays as it is.
func canonical(text string) string {
	parsed, err := condition.Parse(text)
	if err != nil {
		return strings.TrimSpace(text)
	}
	return parsed.String()
}
