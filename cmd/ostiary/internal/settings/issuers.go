package settings

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// listedIssuers reads the list of issuers in the YAML file.
func (l *Loaded) listedIssuers(value any) []server.Issuer {
	entries, ok := value.([]any)
	if value != nil && !ok {
		l.Check("issuers", errors.New("not a list; start each issuer with a dash"))
	}
	issuers := make([]server.Issuer, len(entries))
	for i, entry := range entries {
		place := entryOf(i)
		values, ok := entry.(map[string]any)
		if !ok {
			l.Check(place, errors.New("not an issuer; write url: and its other settings"))
			continue
		}
		table := issuerTable()
		l.faults.addBadKeys(l.option(configFlag), place+".", values, keysOf(table))
		for _, setting := range table {
			if value := values[setting.key]; value != nil {
				l.Check(place+"."+setting.key, setting.format.set(&issuers[i], value))
			}
		}
	}
	return issuers
}

// addDescribedIssuer adds the issuer that flags and environment describe, if
// they say anything of one.
func (l *Loaded) addDescribedIssuer() {
	described := slices.ContainsFunc(issuerTable(), func(setting setting[server.Issuer]) bool {
		_, ok := l.values[keyOfDescribed(setting.key)]
		return ok
	})
	if key := l.Server.Console.PublishableKey; l.Issuer.URL == "" && key != "" {
		url, err := token.ClerkIssuer(key)
		l.Check("publishable_key", err)
		l.failed["issuer"] = err != nil
		l.Issuer.URL, l.names["issuer"] = url, l.name("publishable_key")
		described = true
	}
	if described {
		l.described = entryOf(len(l.Server.Issuers))
		l.Server.Issuers = append(l.Server.Issuers, l.Issuer)
	}
}

// entryOf returns the name of an entry in the list of issuers, as server.Fault
// has it.
func entryOf(i int) string { return fmt.Sprintf("issuers[%d]", i) }

// keyOfDescribed returns the key, among all settings, of a setting of the issuer
// that flags and environment describe: its url is called issuer.
func keyOfDescribed(key string) string {
	if key == "url" {
		return "issuer"
	}
	return key
}

// IssuersInForce returns the issuers of a server with the settings in a YAML file and
// in the environment; none if any of these settings is at fault, which is for the
// server to report.
func IssuersInForce(path string, environ []string) []server.Issuer {
	set, flags := Issuers(), pflag.NewFlagSet("", pflag.ContinueOnError)
	set.AddFlags(flags)
	if err := flags.Set(configFlag, path); err != nil {
		return nil
	}
	loaded := set.Load(flags, environ)
	if len(loaded.faults.Faults) > 0 {
		return nil
	}
	return loaded.Server.Issuers
}
