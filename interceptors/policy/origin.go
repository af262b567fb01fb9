package policy

import "strconv"

// An Origin is where a rule came from.
type Origin struct {
	Source Source
	// File is the .proto or the settings file; empty for other sources.
	File string
	// Line is the line in File, from 1; 0 where it is not known. Code that was
	// generated from a schema does not know its lines, an image of it does.
	Line int
}

// String returns such as acme/invoice/v1/invoice.proto:12, or the source where
// there is no file.
func (o Origin) String() string {
	switch {
	case o.File == "":
		return o.Source.String()
	case o.Line == 0:
		return o.File
	default:
		return o.File + ":" + strconv.Itoa(o.Line)
	}
}

// A Source is a kind of place that rules come from. Where several give a rule
// for one procedure, the greatest wins.
type Source uint8

// The sources, the weakest first.
const (
	SourceNone     Source = iota // nobody gave a rule
	SourceBuiltIn                // this package, for health and reflection
	SourceService                // (ostiary.policy.v1.default_rule) of the service
	SourceMethod                 // (ostiary.policy.v1.rule) of the method
	SourceGo                     // Override
	SourceSettings               // Configured
)

var sourceNames = [...]string{"no rule", "built in", "service default", "method", "Go", "settings"}

// String returns the name for tables, such as service default.
func (s Source) String() string {
	if int(s) >= len(sourceNames) {
		return "unknown"
	}
	return sourceNames[s]
}
