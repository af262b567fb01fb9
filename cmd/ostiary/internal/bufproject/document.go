package bufproject

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A document is a YAML file to which text is added. What is there already, with its
// comments and its form, stays as it is.
type document struct {
	name  string
	text  string
	root  *yaml.Node
	added []addition
}

// An addition is text for one place of a document.
type addition struct {
	offset int
	indent int
	text   string // whole lines, or a part of one
}

func parse(name string, data []byte) (*document, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var file yaml.Node
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(file.Content) == 0 || file.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: not a YAML mapping, as buf's files are", name)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", name)
	}
	d := &document{name: name, text: string(data), root: file.Content[0]}
	if !strings.HasSuffix(d.text, "\n") {
		d.text += d.newline()
	}
	return d, nil
}

// version returns such as v2, or an empty text.
func (d *document) version() string { return scalar(find(d.root, "version")) }

// find returns the value at a path of keys, or nil.
func find(node *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		_, node = entry(node, key)
	}
	return node
}

// entry returns the key and the value of an entry of a mapping, or nil.
func entry(node *yaml.Node, key string) (name, value *yaml.Node) {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i], node.Content[i+1]
		}
	}
	return nil, nil
}

// items returns the items of a sequence, or the node itself if it is a scalar.
func items(node *yaml.Node) []*yaml.Node {
	switch {
	case node == nil:
		return nil
	case node.Kind == yaml.SequenceNode:
		return node.Content
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
		return []*yaml.Node{node}
	default:
		return nil
	}
}

func scalar(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}

func scalars(node *yaml.Node) []string {
	var values []string
	for _, item := range items(node) {
		values = append(values, scalar(item))
	}
	return values
}

// isBlock reports whether a mapping or sequence is written one entry a line.
func isBlock(node *yaml.Node) bool { return node.Style&yaml.FlowStyle == 0 && len(node.Content) > 0 }

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
