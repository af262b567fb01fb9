package bufproject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
