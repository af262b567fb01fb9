package settings

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A setting is a row of a table: one thing that an operator can set on a T.
type setting[T any] struct {
	key    string   // in the YAML file
	env    []string // its environment variables, which mean the same
	def    string   // the default, as an operator would write it
	help   string   // one sentence
	dev    bool     // whether ostiary dev takes it too
	secret bool     // whether it is refused as a flag, which other users of the machine can read
	format format[T]
}

// flag returns the name of the setting's flag, without the dashes.
func (s *setting[T]) flag() string { return strings.ReplaceAll(s.key, "_", "-") }

func keysOf[T any](table []setting[T]) []string {
	keys := make([]string, len(table))
	for i, s := range table {
		keys[i] = s.key
	}
	return keys
}

// A format is how a value is written: its name in help, and how a value is put
// into a T. A value is a string, or in the YAML file whatever YAML makes of it.
type format[T any] struct {
	name string
	set  func(t *T, value any) error
}

// boolName is the format whose flag needs no value.
const boolName = "bool"

func text[T any](field func(*T) *string) format[T] {
	return format[T]{"text", func(t *T, value any) (err error) {
		*field(t), err = asText(value)
		return err
	}}
}

// pem is text in which \n may stand for a line end, as in one line of a .env file.
func pem[T any](field func(*T) *string) format[T] {
	return format[T]{"PEM", func(t *T, value any) error {
		s, err := asText(value)
		*field(t) = strings.ReplaceAll(s, `\n`, "\n")
		return err
	}}
}

func list[T any](field func(*T) *[]string) format[T] {
	return format[T]{"list", func(t *T, value any) (err error) {
		*field(t), err = asList(value)
		return err
	}}
}

func kinds[T any](field func(*T) *[]auth.TokenKind) format[T] {
	return format[T]{"list", func(t *T, value any) error {
		names, err := asList(value)
		if err != nil {
			return err
		}
		accepted := make([]auth.TokenKind, len(names))
		for i, name := range names {
			if accepted[i], err = auth.ParseTokenKind(name); err != nil {
				return err
			}
		}
		*field(t) = accepted
		return nil
	}}
}

func boolean[T any](set func(t *T, on bool)) format[T] {
	return format[T]{boolName, func(t *T, value any) error {
		on, isBool := value.(bool)
		if !isBool {
			var err error
			if on, err = strconv.ParseBool(fmt.Sprint(value)); err != nil {
				return errors.New("must be true or false")
			}
		}
		set(t, on)
		return nil
	}}
}

// duration is longer than 0.
func duration[T any](field func(*T) *time.Duration) format[T] {
	return format[T]{"duration", func(t *T, value any) error {
		d, err := asDuration(value)
		if err == nil && d <= 0 {
			return errors.New("must be greater than 0; write a duration such as 10s, 5m or 24h")
		}
		*field(t) = d
		return err
	}}
}

// tolerance is a duration that may be 0, for which the field has a negative value.
func tolerance[T any](field func(*T) *time.Duration) format[T] {
	return format[T]{"duration", func(t *T, value any) error {
		d, err := asDuration(value)
		switch {
		case err != nil:
			return err
		case d < 0:
			return errors.New("must not be negative; write 0s for none")
		case d == 0:
			d = -1
		}
		*field(t) = d
		return nil
	}}
}

// size is a number of bytes, at least 1.
func size[T any](field func(*T) *int) format[T] {
	return wholeNumber("bytes", "must be a whole number of bytes, such as 16384", field)
}

// count is a number of things, at least 1.
func count[T any](field func(*T) *int) format[T] {
	return wholeNumber("number", "must be a whole number, at least 1", field)
}

func wholeNumber[T any](name, fault string, field func(*T) *int) format[T] {
	return format[T]{name, func(t *T, value any) error {
		n, isInt := value.(int)
		if s, isText := value.(string); isText {
			var err error
			n, err = strconv.Atoi(strings.TrimSpace(s))
			isInt = err == nil
		}
		if !isInt || n <= 0 {
			return errors.New(fault)
		}
		*field(t) = n
		return nil
	}}
}

func choice[T any](field func(*T) *string, choices ...string) format[T] {
	return format[T]{"text", func(t *T, value any) error {
		s, err := asText(value)
		if err != nil {
			return err
		}
		if !slices.Contains(choices, s) {
			return fmt.Errorf("%q is not valid; use one of: %s", s, strings.Join(choices, ", "))
		}
		*field(t) = s
		return nil
	}}
}

func asText(value any) (string, error) {
	s, ok := value.(string)
	if !ok {
		return "", errors.New("not a string; put it in quotes")
	}
	return strings.TrimSpace(s), nil
}

// asList reads a list of the YAML file, or one text with commas. An empty entry of a
// YAML list is a fault: it is often a template's variable that nobody set, and without
// it the list may restrict nothing.
func asList(value any) ([]string, error) {
	items, listed := value.([]any)
	if !listed {
		s, err := asText(value)
		if err != nil {
			return nil, errors.New("not a list of strings; write [one, two]")
		}
		for _, part := range strings.Split(s, ",") {
			items = append(items, part)
		}
	}
	var texts []string
	for _, item := range items {
		s, err := asText(item)
		if err != nil {
			return nil, errors.New("has an entry that is not a string; put it in quotes")
		}
		switch {
		case s != "":
			texts = append(texts, s)
		case listed:
			return nil, errors.New("has an empty entry; give it a value or remove it")
		}
	}
	return texts, nil
}

func asDuration(value any) (time.Duration, error) {
	s, err := asText(value)
	if err != nil {
		return 0, errors.New("not a duration; write one such as 10s, 5m or 24h")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write one such as 10s, 5m or 24h", s)
	}
	return d, nil
}
