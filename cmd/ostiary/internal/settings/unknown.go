package settings

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/nearest"
)

// variablePrefix begins the names of the program's own variables.
const variablePrefix = "OSTIARY_"

// ofCommands are the program's own variables that are no settings of a server.
var ofCommands = []string{"OSTIARY_TOKEN"}

// Kubernetes sets such variables for a service whose name begins with ostiary: the names of
// its ports are the operator's.
var (
	serviceLink    = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)$`)
	serviceAddress = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// Unknown returns a fault for each variable of the environment and of the .env file whose
// name begins with OSTIARY_ and is that of no setting: it does nothing, and its author
// believes that it does. They are not among the Faults, so that a server starts whose
// environment was written for a newer version.
func (l *Loaded) Unknown() []Fault { return slices.Clone(l.unknown) }

func (l *Loaded) noteUnknown(variables map[string]string, where string) {
	known := slices.Clone(ofCommands)
	for _, setting := range table() { // of all commands
		known = append(known, setting.env...)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value := strings.TrimSpace(variables[name])
		switch {
		case value == "" || slices.Contains(known, name):
		case !strings.HasPrefix(strings.ToUpper(name), variablePrefix):
		case serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceAddress.MatchString(value):
		default:
			l.unknown = append(l.unknown, Fault{Setting: name + where, Err: errors.New("no setting has this name, so the variable does nothing; " + remedy(name, known))})
		}
	}
}

// remedy says what to do about a name that no setting has.
func remedy(name string, known []string) string {
	if name == "issuer" && slices.Contains(known, "url") { // what the flag of a single issuer is called
		return "did you mean url?"
	}
	own := func(name string) string { return strings.TrimPrefix(strings.ToUpper(name), variablePrefix) }
	names := nearest.ToBy(known, func(candidate string) (distance, letters int) {
		return nearest.Distance(own(name), own(candidate)), len(own(candidate))
	})
	if len(names) == 0 {
		return "correct it or remove it"
	}
	return "did you mean " + names[0] + "?"
}
