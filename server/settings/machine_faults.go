package settings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// MachineFaults returns why New would fail on this machine, or a running Server later, though
// the Config has no Faults: an address that cannot be listened on, or a directory or file that
// cannot be written. It listens on each address for an instant, and creates and removes a
// file in each directory, and makes nothing else. A Server that runs with the same Config has
// its addresses, which are then faults. It does not connect to PostgreSQL or to an issuer.
func (c Config) MachineFaults(ctx context.Context) []Fault {
	c = c.WithDefaults()
	var faults []Fault
	add := func(issuer, setting string, err error) {
		if err != nil {
			faults = append(faults, Fault{Issuer: issuer, Setting: setting, Err: err})
		}
	}
	addrs := map[string]string{"http_addr": c.HTTPAddr, "grpc_addr": c.GRPCAddr, "signals_addr": c.SignalsAddr, "admin_addr": c.AdminAddr}
	for _, setting := range []string{"http_addr", "grpc_addr", "signals_addr", "admin_addr"} {
		if addr := addrs[setting]; addr != "" && addr != AdminNone && checkAddr(addr) == nil {
			add("", setting, canListen(ctx, addr))
		}
	}
	switch path := c.StoreFile(); {
	case c.Follow.IsSet(): // has no database
		add("", "follow_snapshot", canWriteFile(c.Follow.Snapshot))
	case path == "" || ledger.CheckDatabaseURL(c.DatabaseURL) != nil:
	case c.DatabaseURL == "":
		add("", "data_dir", canWriteFile(path))
	default:
		add("", "database_url", canWriteFile(path))
	}
	for i := range c.Issuers {
		add(fmt.Sprintf("issuers[%d]", i), "keys_snapshot", canWriteFile(c.Issuers[i].KeysSnapshot))
	}
	return slices.Clip(faults)
}

func canListen(ctx context.Context, addr string) error {
	listener, err := transport.Listen(ctx, addr)
	if err != nil {
		return err
	}
	return listener.Close()
}

// canWriteFile returns why a file cannot be written, or made where it is missing: with the
// directory if need be. An empty path is none.
func canWriteFile(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		err = file.Close()
	case errors.Is(err, fs.ErrNotExist):
	default:
		return fmt.Errorf("cannot be written: %w; give this user the right to, or choose another place", err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break // it exists, or cannot be looked at
		}
	}
	probe, err := os.CreateTemp(dir, ".ostiary-check-*")
	if err != nil {
		return fmt.Errorf("no file can be made in %s: %w; give this user the right to, or choose another place", dir, errors.Unwrap(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
