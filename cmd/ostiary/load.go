package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// A loader gathers the settings of a table from, in falling precedence, flags,
// environment, .env file, configuration file and the command's own defaults.
// The defaults that the table names are the server's and go without saying.
type loader struct {
	table    []setting[settings]
	defaults map[string]any // by key
	flags    *pflag.FlagSet
	environ  []string // as os.Environ has it

	values *koanf.Koanf
	origin map[string]string // of each value, by key: how the operator wrote it
	own    string            // the prefix that the server gives faults of the one issuer
	failed map[string]bool   // the keys that have a fault already
	faults faults
}

// load returns the settings, as far as they can be read. Whoever uses them must
// ask for the faults first.
func (l *loader) load() *settings {
	l.values = koanf.New(delimiter)
	l.origin, l.failed = make(map[string]string), make(map[string]bool)
	l.loadDefaults()
	only := l.loadConfigFile()
	l.loadEnvFile()
	l.loadEnvironment()
	l.loadFlags()

	s := new(settings)
	for _, setting := range l.table {
		if value := l.values.Get(setting.key); value != nil {
			l.check(setting.key, setting.kind.set(s, value))
		}
	}
	s.server.Issuers = l.listedIssuers(only["issuers"])
	l.addTheOneIssuer(s)
	s.server.Rules = l.rules(only["rules"])
	return s
}

// check records a fault of a setting.
func (l *loader) check(key string, err error) {
	if err != nil {
		l.failed[key] = true
		l.faults.add(l.name(key), err)
	}
}

// name is what the operator knows a setting by: how its value was written, else
// how one could be.
func (l *loader) name(key string) string {
	if origin, ok := l.origin[key]; ok {
		return origin
	}
	if name, _, _ := strings.Cut(key, "["); slices.Contains(fileOnly[:], name) {
		return key + " in " + l.option("config")
	}
	i := slices.IndexFunc(l.table, func(s setting[settings]) bool { return s.key == key })
	if i < 0 {
		return key
	}
	return l.table[i].env[0]
}

// listedIssuers reads the list of issuers in the configuration file.
func (l *loader) listedIssuers(value any) []server.Issuer {
	entries, ok := value.([]any)
	if value != nil && !ok {
		l.check("issuers", errors.New("not a list; start each issuer with a dash"))
	}
	issuers := make([]server.Issuer, len(entries))
	for i, entry := range entries {
		place := fmt.Sprintf("issuers[%d]", i)
		values, ok := entry.(map[string]any)
		if !ok {
			l.check(place, errors.New("not an issuer; write url: and its other settings"))
			continue
		}
		table := issuerTable()
		l.faults.refuseUnknown(l.option("config"), place+".", values, keysOf(table))
		for _, setting := range table {
			if value := values[setting.key]; value != nil {
				l.check(place+"."+setting.key, setting.kind.set(&issuers[i], value))
			}
		}
	}
	return issuers
}

// rules reads the rules in the configuration file.
func (l *loader) rules(value any) []policy.Option {
	written, err := asRules(value)
	l.check("rules", err)
	rules, broken := readRules(l.option("config"), written)
	for _, fault := range broken {
		l.check("rules["+fault.Procedure+"]", fault.Err)
	}
	return rules
}

// addTheOneIssuer appends the issuer that flags and environment describe, if
// they say anything of one.
func (l *loader) addTheOneIssuer(s *settings) {
	described := slices.ContainsFunc(issuerTable(), func(setting setting[server.Issuer]) bool {
		return l.values.Exists(ofTheOneIssuer(setting).key)
	})
	if s.issuer.URL == "" && s.server.Console.PublishableKey != "" {
		described = true
		url, err := token.ClerkIssuer(s.server.Console.PublishableKey)
		l.check("publishable_key", err)
		l.failed["issuer"] = err != nil
		s.issuer.URL = url
	}
	if described {
		l.own = fmt.Sprintf("issuers[%d].", len(s.server.Issuers))
		s.server.Issuers = append(s.server.Issuers, s.issuer)
	}
}

// verdict returns *faults with everything that is wrong, what the server finds
// wrong with the config included; nil when nothing is.
func (l *loader) verdict(config server.Config) error {
	for _, fault := range config.Faults() {
		key, isOwn := strings.CutPrefix(fault.Setting, l.own)
		isOwn = isOwn && l.own != ""
		if isOwn && key == "url" {
			key = "issuer"
		}
		entry, _, _ := strings.Cut(key, ".") // of the list of issuers
		if l.failed[key] || l.failed[entry] {
			continue // it has a better explanation already
		}
		message := fault.Err.Error()
		if isOwn || !strings.HasPrefix(key, "issuers[") {
			message = inWords(message, l.name)
		}
		l.faults.add(l.name(key), errors.New(message))
	}
	return l.faults.orNil()
}
