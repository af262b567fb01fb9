// Package ruleschema reads the messages of ostiary.policy.v1, in which a schema
// writes its rules: what their values stand for, whether this version knows them
// all, and what they say in words.
package ruleschema

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// WithImports returns files and all that they import, directly or not, each once.
func WithImports(files ...protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	seen := make(map[string]bool)
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		all = append(all, f)
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	for _, file := range files {
		add(file)
	}
	return all
}

// Known reports whether this version knows every field of a rule and every enum
// value in it.
func Known(m protoreflect.Message) bool {
	all := len(m.GetUnknown()) == 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		all = all && knownPart(field, value)
		return all
	})
	return all
}

// knownPart is Known for one field. No part of a rule is a map or a list of messages.
func knownPart(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	switch {
	case field.Message() != nil:
		return Known(value.Message())
	case field.Enum() == nil:
		return true
	case !field.IsList():
		return field.Enum().Values().ByNumber(value.Enum()) != nil
	}
	for i := range value.List().Len() {
		if field.Enum().Values().ByNumber(value.List().Get(i).Enum()) == nil {
			return false
		}
	}
	return true
}

// Quoted writes names in quotes, with the separator between them.
func Quoted(names []string, separator string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return strings.Join(all, separator)
}

// ReverificationInWords says how lately, and how, a caller must have been verified.
func ReverificationInWords(r auth.Reverification, acr []string) string {
	text := "a verification"
	if r != (auth.Reverification{}) {
		text += fmt.Sprintf(" within %s, level %v", AgeInWords(r.Within), r.Level)
	}
	if len(acr) > 0 {
		text += " of class " + Quoted(acr, " or ")
	}
	return text
}

// AgeInWords writes an age in minutes, or in seconds if it is not a number of whole
// minutes.
func AgeInWords(age time.Duration) string {
	if age%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", age/time.Minute)
	}
	return fmt.Sprintf("%d seconds", age/time.Second)
}

// LeaseInWords says when a stream with this lease ends.
func LeaseInWords(lease auth.LeaseMode) string {
	switch lease {
	case auth.LeaseUntilExpiry:
		return "ends with its token"
	case auth.LeaseRenewable:
		return "ends with its session"
	default:
		return "outlives its token"
	}
}

// Short writes a duration without its zero parts: 1h, and not 1h0m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
