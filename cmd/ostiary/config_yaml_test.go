package main

import (
	"reflect"
	"testing"
)

func TestYAMLIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want map[string]any
	}{
		"nothing":                        {"", nil},
		"a comment alone":                {"# nothing yet\n", nil},
		"one document between its marks": {"---\nissuer: one\n...\n", map[string]any{"issuer": "one"}},
		"numbers that are zero or begin with it after a point": {"a: [0, -0, 0.5, 10, 1e05]", map[string]any{"a": []any{0, 0, 0.5, 10, 1e05}}},
		"another base, by its name":                            {"a: [0x10, 0o10, 0b10]", map[string]any{"a": []any{16, 8, 2}}},
		"text that looks like a number":                        {`a: ["010", '010', !!str 010, 010-a, 0.0.0.0:1]`, map[string]any{"a": []any{"010", "010", "010", "010-a", "0.0.0.0:1"}}},
		"what an anchor names, elsewhere":                      {"a: &x {b: 1}\nc: *x", map[string]any{"a": map[string]any{"b": 1}, "c": map[string]any{"b": 1}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseYAML([]byte(test.text))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestYAMLThatWouldBeReadOtherwiseIsRefused(t *testing.T) {
	t.Parallel()
	const (
		further = "the file has a second document; only one is allowed. Put everything into the first, without --- between"
		octal   = " is ambiguous (octal or decimal); remove the leading zero, or quote it if it is text"
	)
	tests := map[string]struct{ text, want string }{
		"a second document":                 {"a: 1\n---\nb: 2\n", "line 2: " + further},
		"a second document of nothing":      {"a: 1\n---\n", "line 2: " + further},
		"a document after one of nothing":   {"---\n---\na: 1\n", "line 2: " + further},
		"a second document, after an end":   {"a: 1\n...\n---\nb: 2\n", "line 3: " + further},
		"a second document that is no YAML": {"a: 1\n---\n[\n", "yaml: line 3: did not find expected node content"},
		"a number of octal digits":          {"a:\n  - b: 010\n", "line 2: 010" + octal},
		"one with a sign":                   {"a: -010", "line 1: -010" + octal},
		"one that has no octal digits":      {"a: 08", "line 1: 08" + octal},
		"one with a gap":                    {"a: 0_10", "line 1: 0_10" + octal},
		"one that is told to be a number":   {"a: !!int 010", "line 1: 010" + octal},
		"one that is a name":                {"010: a", "line 1: 010" + octal},
		"one that is named by an anchor":    {"a: &x 010\nb: *x", "line 1: 010" + octal},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := parseYAML([]byte(test.text)); err == nil || err.Error() != test.want {
				t.Errorf("%v, %v; want %s", got, err, test.want)
			}
		})
	}
}
