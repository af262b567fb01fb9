package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/server/settings"
)

// backendTable lists the settings of an entry of backends.
func backendTable() []setting[settings.Backend] {
	type backend = settings.Backend
	return []setting[backend]{
		{key: "name", help: "What people see. No two have the same. Required.", format: text(func(b *backend) *string { return &b.Name })},
		{key: "image", help: "File with the schema, as `buf build -o` makes it; read at the start and at SIGHUP. Required, or else `reflection`.", format: text(func(b *backend) *string { return &b.Image })},
		{key: "reflection", help: "URL of the gRPC server, which is asked for the schema by gRPC reflection, without a token: https, or http on this machine, without a path. It is asked after the start, and again every minute.", format: text(func(b *backend) *string { return &b.Reflection })},
		{key: "url", help: "URL at which browsers reach its Connect API: https, or http on this machine. Those who call it on the console's page Try send their tokens there. Default: its rules are shown, and nothing is called.", format: text(func(b *backend) *string { return &b.URL })},
	}
}

// backendsFormat reads backends in one line of text. A list in the YAML file is read by Load.
func backendsFormat() format[Settings] {
	return format[Settings]{"name=where", func(s *Settings, value any) error {
		if _, listed := value.([]any); listed {
			return nil
		}
		entries, err := asList(value)
		if err != nil {
			return errors.New("not a list; start each backend with a dash")
		}
		for _, entry := range entries {
			if s.Server.Backends, err = withBackend(s.Server.Backends, entry); err != nil {
				return err
			}
		}
		return nil
	}}
}

// withBackend adds what an entry says to the backend of its name. Of a server without an image the
// URL is where both its schema and its Connect API are.
func withBackend(backends []settings.Backend, entry string) ([]settings.Backend, error) {
	name, where, found := strings.Cut(entry, "=")
	if name, where = strings.TrimSpace(name), strings.TrimSpace(where); !found || name == "" || where == "" {
		return backends, fmt.Errorf("%q is not valid; write name=URL or name=FILE, such as billing=http://localhost:8081", entry)
	}
	at := slices.IndexFunc(backends, func(b settings.Backend) bool { return b.Name == name })
	if at < 0 {
		at = len(backends)
		backends = append(backends, settings.Backend{Name: name})
	}
	backend := &backends[at]
	isURL := strings.Contains(where, "://")
	switch {
	case isURL && backend.URL == "":
		backend.URL = where
	case !isURL && backend.Image == "":
		backend.Image = where
	default:
		return backends, fmt.Errorf("%s has two URLs or two files; give each backend another name", name)
	}
	if backend.Reflection = backend.URL; backend.Image != "" {
		backend.Reflection = ""
	}
	return backends, nil
}
