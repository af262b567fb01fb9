package settings

import (
	"github.com/spf13/pflag"
)

// Loaded is what the sources of a Set say. Ask for the Faults before using it.
type Loaded struct {
	Settings

	*Set

	flags     *pflag.FlagSet
	values    map[string]any    // by key, as the source has it
	names     map[string]string // by key: how the operator wrote the setting
	described string            // which of Server.Issuers is Issuer: "" or issuers[N]
	failed    map[string]bool   // the keys that have a fault already
	faults    Error
}

// Load reads the settings. In falling order of precedence they are from flags,
// the environment as [os.Environ] has it, the .env file, the YAML file and the
// command's defaults.
func (s *Set) Load(flags *pflag.FlagSet, environ []string) *Loaded {
	l := &Loaded{
		Set: s, flags: flags,
		values: make(map[string]any), names: make(map[string]string), failed: make(map[string]bool),
	}
	l.readDefaults()
	inFile := l.readConfigFile()
	l.readEnvFile()
	l.readEnvironment(environ)
	l.readFlags()

	for _, setting := range s.table {
		if value, ok := l.values[setting.key]; ok {
			l.Check(setting.key, setting.format.set(&l.Settings, value))
		}
	}
	l.Server.Issuers = l.listedIssuers(inFile["issuers"])
	l.addDescribedIssuer()
	l.Server.Rules = l.rules(inFile["rules"])
	return l
}
