package settings

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/server/settings"
)

// An Error is everything that is wrong with the settings.
type Error struct{ Faults []Fault }

// A Fault is one thing that is wrong.
type Fault struct {
	// Key is the setting in the YAML file, such as http_addr or issuers[0].url; empty where a
	// source as a whole is at fault.
	Key string
	// Setting is what is wrong, as the operator wrote it: --http-addr,
	// OSTIARY_HTTP_ADDR, or http_addr in ostiary.yaml.
	Setting string
	// Err says what is wrong and what to do about it.
	Err error
}

// String returns the setting, and what is wrong with it.
func (f Fault) String() string { return f.Setting + ": " + f.Err.Error() }

// Error returns one line for each fault.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

func (e *Error) add(setting string, err error) {
	e.Faults = append(e.Faults, Fault{Setting: setting, Err: err})
}

// addOf is add for a setting whose key is known.
func (e *Error) addOf(key, setting string, err error) {
	e.Faults = append(e.Faults, Fault{Key: key, Setting: setting, Err: err})
}

// addBadKeys adds a fault for each key of a file's values that is not known, or has
// no value, as when the lines under it are commented out: the setting would be
// another than the file seems to say. place comes before the key in messages.
func (e *Error) addBadKeys(file, place string, values map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch name := place + key + " in " + file; {
		case !slices.Contains(known, key):
			e.add(name, errors.New("unknown setting; "+remedy(key, known)))
		case values[key] == nil:
			e.add(name, errors.New("has no value; give it one, or remove the key"))
		}
	}
}

// orNil returns the faults as an error, or nil if there are none.
func (e *Error) orNil() error {
	if len(e.Faults) == 0 {
		return nil
	}
	return e
}

// Check records a fault of a setting, by key, unless err is nil.
func (l *Loaded) Check(key string, err error) {
	if err != nil {
		l.failed[key] = true
		l.faults.addOf(key, l.name(key), err)
	}
}

// Faults returns an *[Error] with everything that is wrong with the sources, and
// with Server by [settings.Config.Faults]; nil if nothing is wrong.
func (l *Loaded) Faults() error {
	faults := &Error{slices.Clone(l.faults.Faults)}
	l.addTo(faults, l.Server.Faults())
	return faults.orNil()
}

// CheckFaults returns an *[Error] with the Faults, the Unknown variables, and what is wrong with
// the machine by [settings.Config.MachineFaults]; nil if nothing is wrong.
func (l *Loaded) CheckFaults(ctx context.Context) error {
	faults := &Error{slices.Concat(l.faults.Faults, l.unknown)}
	l.addTo(faults, l.Server.Faults())
	l.addTo(faults, l.Server.MachineFaults(ctx))
	return faults.orNil()
}

func (l *Loaded) addTo(faults *Error, found []settings.Fault) {
	for _, fault := range found {
		// A value that could not be read has its fault already.
		if key, name := l.naming(fault); !l.hasFailed(key) {
			faults.addOf(key, l.name(key), errors.New(fault.Describe(name)))
		}
	}
}

// hasFailed reports whether a setting has a fault already, or the entry of a list that it is in, or
// something in it, from which what else is wrong may follow.
func (l *Loaded) hasFailed(key string) bool {
	entry, _, inEntry := strings.Cut(key, "].")
	if l.failed[key] || inEntry && l.failed[entry+"]"] {
		return true
	}
	for other, failed := range l.failed {
		if failed && strings.HasPrefix(other, key+".") {
			return true
		}
	}
	return false
}

// DatabaseFaults is Faults for a command that only uses the database: of Server it checks
// the settings that name it.
func (l *Loaded) DatabaseFaults() error { return l.faultsOf(databaseKeys) }

// AdminFaults is Faults for a command that asks a running server: of Server it checks the
// setting that says where.
func (l *Loaded) AdminFaults() error { return l.faultsOf(adminKeys) }

func (l *Loaded) faultsOf(keys []string) error {
	faults := &Error{slices.Clone(l.faults.Faults)}
	for _, fault := range l.Server.Faults() {
		if fault.Issuer == "" && slices.Contains(keys, fault.Setting) && !l.failed[fault.Setting] {
			faults.add(l.name(fault.Setting), errors.New(fault.Describe(l.name)))
		}
	}
	return faults.orNil()
}

// naming returns the key that a fault of the server is about, and how messages
// about it name other settings.
func (l *Loaded) naming(fault settings.Fault) (key string, name func(string) string) {
	switch fault.Issuer {
	case "":
		return fault.Setting, l.name
	case l.described:
		return keyOfDescribed(fault.Setting), func(key string) string { return l.name(keyOfDescribed(key)) }
	default: // the other settings are in the same entry of the list
		return fault.Issuer + "." + fault.Setting, func(key string) string { return "`" + key + "`" }
	}
}

// name is what the operator knows a setting by: how its value was written, or
// else how one could be.
func (l *Loaded) name(key string) string {
	if name, ok := l.names[key]; ok {
		return name
	}
	list, _, inList := strings.Cut(key, "[")
	if slices.Contains(fileOnly[:], list) {
		return key + " in " + l.option(configFlag)
	}
	if name, ok := l.names[list]; ok && inList {
		if place, inFile := strings.CutPrefix(name, list); inFile {
			return key + place
		}
		return name // a flag or a variable has no entries with settings
	}
	for _, setting := range l.table {
		if setting.key == key {
			return setting.env[0]
		}
	}
	return key
}

// HasFault reports whether something is wrong with a setting, by key, or with an entry of it.
func (l *Loaded) HasFault(key string) bool {
	return slices.ContainsFunc(l.AllFaults(), func(fault Fault) bool { return fault.Key == key || strings.HasPrefix(fault.Key, key+"[") })
}

// AllFaults is Faults as a list.
func (l *Loaded) AllFaults() []Fault {
	var all *Error
	if errors.As(l.Faults(), &all) {
		return all.Faults
	}
	return nil
}
