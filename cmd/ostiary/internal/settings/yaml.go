package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// readFile returns the values in a YAML file, by key.
func readFile(path string) (map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, withoutPath(err))
	}
	values, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be parsed: %w", path, err)
	}
	return values, nil
}

// parseYAML reads the settings in a YAML file, by key. It refuses what would be
// read otherwise than it is written: a further document, which the decoder leaves
// unread, and whatever [misread] refuses. Its errors name lines.
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
	if err := misread(&document); err != nil {
		return nil, err
	}
	var values map[string]any
	err := document.Decode(&values)
	return values, err
}

// leadingZero begins the numbers that are octal in YAML 1.1 and decimal in 1.2.
var leadingZero = regexp.MustCompile(`^[-+]?0[0-9_]`)

// misread returns an error for the first value that the decoder would change or drop: a
// number that begins with a zero, a date, to which it adds a time, and a null key, which
// it leaves out with all that is under it.
func misread(node *yaml.Node) error {
	switch tag := node.ShortTag(); {
	case node.Kind == yaml.MappingNode:
		for i := 0; i < len(node.Content); i += 2 {
			if key := node.Content[i]; key.ShortTag() == "!!null" {
				return fmt.Errorf("line %d: a key is null, and what is under it would be ignored; give it a name, or put it in quotes if it is text", key.Line)
			}
		}
	case node.Kind != yaml.ScalarNode:
	case (tag == "!!int" || tag == "!!float") && leadingZero.MatchString(node.Value):
		return fmt.Errorf("line %d: %s is ambiguous (octal or decimal); remove the leading zero, or quote it if it is text", node.Line, node.Value)
	case tag == "!!timestamp":
		return fmt.Errorf("line %d: %s would be read as a point in time; put it in quotes", node.Line, node.Value)
	}
	for _, child := range node.Content {
		if err := misread(child); err != nil {
			return err
		}
	}
	return nil
}
