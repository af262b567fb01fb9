package bufproject

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An addition is text for one place of a document.
type addition struct {
	offset int
	indent int
	text   string // whole lines, or a part of one
}

// addBelow adds lines below a line of the document.
func (d *document) addBelow(line, indent int, lines ...string) {
	offset := d.offset(line + 1)
	var text strings.Builder
	for _, added := range lines {
		text.WriteString(strings.Repeat(" ", indent) + added + d.newline())
	}
	d.added = append(d.added, addition{offset, indent, text.String()})
}

// addAtEnd adds entries to the outermost mapping.
func (d *document) addAtEnd(lines ...string) bool {
	if !isBlock(d.root) {
		return false
	}
	d.addBelow(strings.Count(d.text, "\n")+1, 0, lines...)
	return true
}

// addItem adds a scalar to the end of a sequence of scalars.
func (d *document) addItem(seq *yaml.Node, value string) bool {
	if seq == nil || seq.Kind != yaml.SequenceNode {
		return false
	}
	if isBlock(seq) {
		last := seq.Content[len(seq.Content)-1]
		d.addBelow(last.Line, seq.Column-1, "- "+value)
		return true
	}
	at := d.place(seq)
	if !strings.HasPrefix(d.text[at:], "[") {
		return false
	}
	at++
	switch n := len(seq.Content); {
	case n == 0:
	case seq.Content[n-1].Style == 0:
		at, value = d.place(seq.Content[n-1])+len(seq.Content[n-1].Value), ", "+value
	default: // a text in quotes is of unknown length
		value += ", "
	}
	d.added = append(d.added, addition{offset: at, text: value})
	return true
}

// addToEntry adds lines to the beginning of an entry of a mapping. If there is no such
// entry, it adds one behind another, which has one line.
func (d *document) addToEntry(mapping *yaml.Node, after, name string, lines ...string) bool {
	if mapping == nil || !isBlock(mapping) {
		return false
	}
	if key, value := entry(mapping, name); key != nil {
		if !isBlock(value) || value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode {
			return false
		}
		d.addBelow(key.Line, value.Column-1, lines...)
		return true
	}
	key, _ := entry(mapping, after)
	if key == nil {
		return false
	}
	added := []string{name + ":"}
	for _, line := range lines {
		added = append(added, "  "+line)
	}
	d.addBelow(key.Line, key.Column-1, added...)
	return true
}

// offset returns where a line begins, counted from 1, or the end of the text.
func (d *document) offset(line int) int {
	at := 0
	for ; line > 1; line-- {
		n := strings.IndexByte(d.text[at:], '\n')
		if n < 0 {
			return len(d.text)
		}
		at += n + 1
	}
	return at
}

// place returns where a node begins.
func (d *document) place(node *yaml.Node) int {
	at := d.offset(node.Line)
	column := 1
	for i := range d.text[at:] {
		if column == node.Column {
			return at + i
		}
		column++
	}
	return len(d.text)
}

func (d *document) newline() string {
	if strings.Contains(d.text, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// edited returns the text with what was added.
func (d *document) edited() string {
	var b strings.Builder
	at := 0
	for _, a := range d.inOrder() {
		b.WriteString(d.text[at:a.offset])
		b.WriteString(a.text)
		at = a.offset
	}
	b.WriteString(d.text[at:])
	return b.String()
}

// inOrder has what belongs to the entry above before what begins another.
func (d *document) inOrder() []addition {
	return slices.SortedStableFunc(slices.Values(d.added), func(a, b addition) int {
		return cmp.Or(a.offset-b.offset, b.indent-a.indent)
	})
}

// newLines returns the lines of the edited text that are new or changed, each with its
// number.
func (d *document) newLines() []string {
	old := strings.Split(d.text, "\n")
	changed := make(map[int]bool)
	for _, a := range d.added {
		if !strings.HasSuffix(a.text, "\n") {
			changed[strings.Count(d.text[:a.offset], "\n")] = true
		}
	}
	var lines []string
	next := 0
	for i, line := range strings.Split(d.edited(), "\n") {
		if changed[next] || line != old[next] {
			lines = append(lines, fmt.Sprintf("%d: %s", i+1, strings.TrimRight(line, "\r")))
		}
		if changed[next] || line == old[next] {
			next++
		}
	}
	return lines
}

// keeps reports whether the edited text has everything that the text had.
func (d *document) keeps() bool {
	var before, after any
	return yaml.Unmarshal([]byte(d.text), &before) == nil &&
		yaml.Unmarshal([]byte(d.edited()), &after) == nil && contains(after, before)
}

// contains reports whether after is before, with more entries in its mappings and
// more items in its sequences.
func contains(after, before any) bool {
	switch before := before.(type) {
	case map[string]any:
		after, ok := after.(map[string]any)
		for key, value := range before {
			found, has := after[key]
			ok = ok && has && contains(found, value)
		}
		return ok
	case []any:
		after, ok := after.([]any)
		for _, value := range before {
			i := slices.IndexFunc(after, func(found any) bool { return contains(found, value) })
			if i < 0 {
				return false
			}
			after = after[i+1:]
		}
		return ok
	default:
		return reflect.DeepEqual(after, before)
	}
}
