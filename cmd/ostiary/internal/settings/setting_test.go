package settings

import (
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// held has a field of each type that settings have.
type held struct {
	text  string
	list  []string
	kinds []auth.TokenKind
	on    bool
	time  time.Duration
	size  int
}

func TestFormats(t *testing.T) {
	t.Parallel()
	formats := map[string]format[held]{
		"text":      text(func(h *held) *string { return &h.text }),
		"pem":       pem(func(h *held) *string { return &h.text }),
		"list":      list(func(h *held) *[]string { return &h.list }),
		"kinds":     kinds(func(h *held) *[]auth.TokenKind { return &h.kinds }),
		"boolean":   boolean(func(h *held, on bool) { h.on = on }),
		"duration":  duration(func(h *held) *time.Duration { return &h.time }),
		"tolerance": tolerance(func(h *held) *time.Duration { return &h.time }),
		"size":      size(func(h *held) *int { return &h.size }),
		"choice":    choice(func(h *held) *string { return &h.text }, "text", "json"),
	}
	const (
		noString   = "not a string; put it in quotes"
		noList     = "not a list of strings; write [one, two]"
		noEntry    = "has an entry that is not a string; put it in quotes"
		emptyEntry = "has an empty entry; give it a value or remove it"
		noDuration = "not a duration; write one such as 10s, 5m or 24h"
		noSize     = "must be a whole number of bytes, such as 16384"
	)
	tests := []struct {
		format string
		value  any
		want   held
		fault  string
	}{
		{"text", " a b ", held{text: "a b"}, ""},
		{"text", "", held{}, ""},
		{"text", 1, held{}, noString},
		{"text", true, held{}, noString},
		{"text", []any{"a"}, held{}, noString},
		{"pem", `-----BEGIN\nabc\n`, held{text: "-----BEGIN\nabc\n"}, ""},
		{"pem", "-----BEGIN\nabc", held{text: "-----BEGIN\nabc"}, ""},
		{"pem", 1, held{}, noString},
		{"list", "a", held{list: []string{"a"}}, ""},
		{"list", " a ,, b,", held{list: []string{"a", "b"}}, ""},
		{"list", " , ", held{}, ""},
		{"list", []any{"a, b", " c "}, held{list: []string{"a, b", "c"}}, ""},
		{"list", []any{""}, held{}, emptyEntry},
		{"list", []any{"a", " "}, held{}, emptyEntry},
		{"list", []any{}, held{}, ""},
		{"list", []any{"a", 1}, held{}, noEntry},
		{"list", []any{[]any{"a"}}, held{}, noEntry},
		{"list", 1, held{}, noList},
		{"list", map[string]any{"a": 1}, held{}, noList},
		{"kinds", "session,template", held{kinds: []auth.TokenKind{auth.KindSession, auth.KindTemplate}}, ""},
		{"kinds", []any{"oauth", "machine", "id"}, held{kinds: []auth.TokenKind{auth.KindOAuth, auth.KindMachine, auth.KindID}}, ""},
		{"kinds", "session,unknown", held{}, `unknown kind of token "unknown": use session, template, oauth, machine or id`},
		{"kinds", []any{"session", ""}, held{}, emptyEntry},
		{"kinds", 1, held{}, noList},
		{"boolean", true, held{on: true}, ""},
		{"boolean", false, held{}, ""},
		{"boolean", "true", held{on: true}, ""},
		{"boolean", "1", held{on: true}, ""},
		{"boolean", "false", held{}, ""},
		{"boolean", "yes", held{}, "must be true or false"},
		{"boolean", 2, held{}, "must be true or false"},
		{"duration", "90s", held{time: 90 * time.Second}, ""},
		{"duration", "1ns", held{time: 1}, ""},
		{"duration", "0s", held{}, "must be greater than 0; write a duration such as 10s, 5m or 24h"},
		{"duration", "-1s", held{}, "must be greater than 0; write a duration such as 10s, 5m or 24h"},
		{"duration", "10", held{}, `"10" is not a duration; write one such as 10s, 5m or 24h`},
		{"duration", 10, held{}, noDuration},
		{"tolerance", "1s", held{time: time.Second}, ""},
		{"tolerance", "0s", held{time: -1}, ""},
		{"tolerance", "-1ns", held{}, "must not be negative; write 0s for none"},
		{"tolerance", "soon", held{}, `"soon" is not a duration; write one such as 10s, 5m or 24h`},
		{"tolerance", 0, held{}, noDuration},
		{"size", 1, held{size: 1}, ""},
		{"size", " 16384 ", held{size: 16384}, ""},
		{"size", 0, held{}, noSize},
		{"size", "0", held{}, noSize},
		{"size", -1, held{}, noSize},
		{"size", "16KiB", held{}, noSize},
		{"size", 1.5, held{}, noSize},
		{"size", true, held{}, noSize},
		{"choice", "json", held{text: "json"}, ""},
		{"choice", " text ", held{text: "text"}, ""},
		{"choice", "JSON", held{}, `"JSON" is not valid; use one of: text, json`},
		{"choice", 1, held{}, noString},
	}
	for _, test := range tests {
		var got held
		err := formats[test.format].set(&got, test.value)
		if test.fault != "" {
			if err == nil || err.Error() != test.fault {
				t.Errorf("%s %#v: %v; want %s", test.format, test.value, err, test.fault)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %#v: %+v, %v; want %+v", test.format, test.value, got, err, test.want)
		}
	}
}
