package settings

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
		"text that looks like a date":                          {`a: ["2020-01-01", '2020-01-01', !!str 2020-01-01, 2020-01, 10:30:00]`, map[string]any{"a": []any{"2020-01-01", "2020-01-01", "2020-01-01", "2020-01", "10:30:00"}}},
		"text that looks like null, as a key":                  {`{"~": a, 'null': b, "": c}`, map[string]any{"~": "a", "null": "b", "": "c"}},
		"null, as a value":                                     {"a: ~\nb:\n", map[string]any{"a": nil, "b": nil}},
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

func TestAmbiguousYAMLIsRefused(t *testing.T) {
	t.Parallel()
	const (
		further = "the file has a second document; only one is allowed. Put everything into the first, without --- between"
		octal   = " is ambiguous (octal or decimal); remove the leading zero, or quote it if it is text"
		date    = " would be read as a point in time; put it in quotes"
		null    = "a key is null, and what is under it would be ignored; give it a name, or put it in quotes if it is text"
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
		"a date":                            {"a:\n  any_role: [2020-01-01]", "line 2: 2020-01-01" + date},
		"a date and a time":                 {"a: 2020-01-01T10:30:00Z", "line 1: 2020-01-01T10:30:00Z" + date},
		"a date that is told to be one":     {`a: !!timestamp "2020-01-01"`, "line 1: 2020-01-01" + date},
		"a date that is a key":              {"a:\n  2020-01-01: b", "line 2: 2020-01-01" + date},
		"a key that is a tilde":             {"a: 1\n~: b", "line 2: " + null},
		"a key that is the word null":       {"a:\n  null: b", "line 2: " + null},
		"a key that is left out":            {"?\n: b", "line 1: " + null},
		"a key that is told to be null":     {"!!null '': b", "line 1: " + null},
		"a null key in a list":              {"a:\n  - {~: b}", "line 2: " + null},
		"a null key that an anchor names":   {"a: &x ~\n*x : b", "line 2: " + null},
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
