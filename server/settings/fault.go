package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Error is everything that is wrong with a Config.
type Error struct{ Faults []Fault }

// Error returns the faults, a line for each.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors of the faults.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Faults))
	for i, fault := range e.Faults {
		errs[i] = fault.Err
	}
	return errs
}

// A Fault is one thing that is wrong with a Config.
type Fault struct {
	// Issuer is the entry of Config.Issuers that is at fault, such as issuers[1].
	// Empty where it is the Config itself.
	Issuer string
	// Setting is named as in a configuration file, within the issuer if there is
	// one: http_addr, jwks_url, or rules[/grpc.health.v1.Health/Watch]. Where the
	// fault is in the schema it is the file there, with the line where that is
	// known: acme/note/v1/note.proto:12.
	Setting string
	// Err says what is wrong and what to do about it.
	Err error
}

// A faultList is the faults that were found.
type faultList []Fault

// add adds a fault of a setting for each of the errors that is not nil.
func (f *faultList) add(setting string, errs ...error) {
	for _, err := range errs {
		if err != nil {
			*f = append(*f, Fault{Setting: setting, Err: err})
		}
	}
}

// String returns the setting and what is wrong with it.
func (f Fault) String() string {
	place := f.Setting
	if f.Issuer != "" {
		place = f.Issuer + "." + place
	}
	return place + ": " + f.Err.Error()
}

// Describe returns what is wrong and what to do about it. It calls name for each
// other setting that this names, for those who know settings by other names: by a
// flag or an environment variable. These settings are within the same issuer.
func (f Fault) Describe(name func(setting string) string) string {
	var mention *mentionError
	if errors.As(f.Err, &mention) {
		return mention.format(name)
	}
	return f.Err.Error()
}

// A settingName is an argument of mentionf: another setting, within the same issuer.
type settingName string

// A mentionError says what is wrong, and mentions other settings.
type mentionError struct {
	layout string // as of fmt.Errorf
	args   []any
}

// mentionf is fmt.Errorf for a fault that mentions other settings.
func mentionf(layout string, args ...any) error { return &mentionError{layout, args} }

func (e *mentionError) format(name func(setting string) string) string {
	args := slices.Clone(e.args)
	for i, arg := range args {
		if setting, ok := arg.(settingName); ok {
			args[i] = name(string(setting))
		}
	}
	return fmt.Errorf(e.layout, args...).Error()
}

// Error names settings between backticks.
func (e *mentionError) Error() string {
	return e.format(func(setting string) string { return "`" + setting + "`" })
}

// Unwrap returns the errors among the arguments.
func (e *mentionError) Unwrap() []error {
	var errs []error
	for _, arg := range e.args {
		if err, ok := arg.(error); ok {
			errs = append(errs, err)
		}
	}
	return errs
}
