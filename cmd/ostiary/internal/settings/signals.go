package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary/ostiary/server"
)

// logoutClients is a list of clients or, in the YAML file, a map that also says more.
func logoutClients() format[server.Issuer] {
	return format[server.Issuer]{"list", func(i *server.Issuer, value any) (err error) {
		logout := &i.BackChannelLogout
		values, isMap := value.(map[string]any)
		if !isMap {
			logout.ClientIDs, err = asList(value)
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			switch key {
			case "client_ids":
				logout.ClientIDs, err = asList(values[key])
			case "sessions_in_tokens":
				err = boolean(func(l *server.BackChannelLogout, on bool) { l.SessionsInTokens = on }).set(logout, values[key])
			default:
				err = errors.New("unknown setting; write client_ids, and sessions_in_tokens if need be")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if len(logout.ClientIDs) == 0 {
			return errors.New("no client is named; write {client_ids: [web]}")
		}
		return nil
	}}
}
