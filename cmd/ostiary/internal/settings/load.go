package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"
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
	logFrom   slog.LevelVar  // from which level on every Logger writes
	unknown   []Fault        // variables that no setting has
	lists     map[string]any // what only the YAML file can hold, by key
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
	l.TakeLogLevel(l)
	l.lists = inFile
	for _, key := range fileOnly {
		l.values[key] = inFile[key]
	}
	l.Server.Issuers = entries(l, "issuers", inFile["issuers"], issuerTable(), "issuer", "url")
	l.addDescribedIssuer()
	l.Server.Rules = l.rules(inFile["rules"])
	l.Server.Signals = entries(l, "signals", inFile["signals"], signalTable(), "source", "name")
	if listed, ok := l.values["backends"].([]any); ok {
		l.Server.Backends = entries(l, "backends", listed, backendTable(), "backend", "name")
	}
	return l
}

// Logger writes to w in the format, and from the level, that is set.
func (l *Loaded) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: &l.logFrom}
	if l.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// defaultEnvFile is read if it exists.
const defaultEnvFile = ".env"

// set records the value of a setting, in place of one from a source of lower
// precedence. name is how the operator wrote the setting.
func (l *Loaded) set(key string, value any, name string) {
	l.values[key], l.names[key] = value, name
}

func (l *Loaded) readDefaults() {
	for key, value := range l.defaults {
		l.values[key] = value
	}
}

func (l *Loaded) readEnvFile() {
	path := l.option(envFileFlag)
	if path == "" {
		path = defaultEnvFile
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		l.faults.add(path, fmt.Errorf("cannot be read: %w", withoutPath(err)))
		return
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // which some editors write
	content = append(content, '\n')                       // without one the parser ignores a faulty last line
	variables, err := godotenv.UnmarshalBytes(content)
	if err != nil { // its text quotes the file, secrets included
		l.faults.add(path, errors.New("cannot be parsed as NAME=value lines; quote multi-line values"))
		return
	}
	l.readVariables(variables, " in "+path)
}

// withoutPath returns why a file cannot be read, without its name.
func withoutPath(err error) error {
	var unreadable *fs.PathError
	if errors.As(err, &unreadable) {
		return unreadable.Err
	}
	return err
}

// readEnvironment reads the variables that the process was started with.
func (l *Loaded) readEnvironment(environ []string) {
	variables := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	l.readVariables(variables, "")
}

// readVariables reads settings by the names of their variables. An empty one
// counts as not set. where follows the variable's name in messages.
func (l *Loaded) readVariables(variables map[string]string, where string) {
	l.noteUnknown(variables, where)
	for _, setting := range l.table {
		first := ""
		for _, name := range setting.env {
			value := variables[name]
			switch {
			case strings.TrimSpace(value) == "":
			case first == "":
				first = name
				if trimmed := strings.TrimSpace(value); isQuoted(trimmed) {
					value = trimmed[1 : len(trimmed)-1] // which is what was meant, so that nothing else is at fault
					l.faults.addOf(setting.key, name+where, errors.New("the value begins and ends with a quote, which docker run --env-file passes on as a part of it; remove the quotes"))
				}
				l.set(setting.key, value, name+where)
			case value != variables[first]:
				l.faults.add(name+where, fmt.Errorf("conflicts with %s, which sets the same thing; keep one of them", first))
			}
		}
	}
}

func isQuoted(value string) bool {
	return len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0]
}

func (l *Loaded) readFlags() {
	l.flags.Visit(func(flag *pflag.Flag) { // those that were given
		if flag.Value.String() == "" {
			l.faults.add("--"+flag.Name, ErrEmptyFlag)
		}
	})
	for _, setting := range l.table {
		flag := l.flags.Lookup(setting.flag())
		switch {
		case flag == nil || !flag.Changed || flag.Value.String() == "":
		case setting.secret || hasPassword(flag.Value.String()):
			l.failed[setting.key] = true
			l.faults.add("--"+flag.Name, fmt.Errorf("refused, since other users of the machine can read a secret there; set the variable %s", setting.env[0]))
		default:
			l.set(setting.key, flag.Value.String(), "--"+flag.Name)
		}
	}
}

// hasPassword reports whether a value is a URL with a password in it.
func hasPassword(value string) bool {
	u, err := url.Parse(value)
	if err != nil {
		return false
	}
	_, inUser := u.User.Password()
	return inUser || u.Query().Has("password")
}

// option returns the value of a flag that names a file with settings.
func (l *Loaded) option(name string) string {
	if flag := l.flags.Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// fileOnly are the settings that do not fit into one line of text, so that only
// the YAML file has them.
var fileOnly = [...]string{"issuers", "rules", "signals"}

// readConfigFile reads the YAML file, and returns the settings that only it can
// hold, by key.
func (l *Loaded) readConfigFile() map[string]any {
	path := l.option(configFlag)
	if path == "" {
		return nil
	}
	values, err := readFile(path)
	if err != nil {
		l.faults.add("--"+configFlag, err)
		l.failed["issuer"] = true // the file may well set it
		return nil
	}
	known := keysOf(l.table)
	l.faults.addBadKeys(path, "", values, slices.Concat(known, fileOnly[:]))
	for key, value := range values {
		if value != nil && slices.Contains(known, key) {
			l.set(key, value, key+" in "+path)
		}
	}
	return values
}
