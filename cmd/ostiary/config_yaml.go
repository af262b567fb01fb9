package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads the settings in a YAML file, by key. It refuses what would be
// read otherwise than it is written: a further document, which the decoder leaves
// unread, and a number that begins with a zero. Its errors name lines.
func parseYAML(text []byte) (map[string]any, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, further yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	switch err := decoder.Decode(&further); {
	case err == nil:
		return nil, fmt.Errorf("line %d: the file has a second document; only one is allowed. Put everything into the first, without --- between", further.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if number := octal(&document); number != nil {
		return nil, fmt.Errorf("line %d: %s is ambiguous (octal or decimal); remove the leading zero, or quote it if it is text", number.Line, number.Value)
	}
	var values map[string]any
	err := document.Decode(&values)
	return values, err
}

// leadingZero begins the numbers that are octal in YAML 1.1 and decimal in 1.2.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]`)

// octal returns the first number that begins with a zero, or nil.
func octal(node *yaml.Node) *yaml.Node {
	if tag := node.ShortTag(); node.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") && leadingZero.MatchString(node.Value) {
		return node
	}
	for _, child := range node.Content {
		if found := octal(child); found != nil {
			return found
		}
	}
	return nil
}
