package settings

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFaultsOfTheMachineAreFoundWithoutServing(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const free = "127.0.0.1:0"
	for name, test := range map[string]struct {
		edit func(*Config)
		want []string // the setting, and what is said of it
	}{
		"nothing":                        {func(*Config) {}, nil},
		"a directory that is to be made": {func(c *Config) { c.DataDir = filepath.Join(dir, "a", "b") }, nil},
		"ports that others have": {
			func(c *Config) { c.HTTPAddr, c.AdminAddr = taken.Addr().String(), taken.Addr().String() },
			[]string{"http_addr: cannot be listened on: ", "admin_addr: cannot be listened on: "},
		},
		"an address of another machine":   {func(c *Config) { c.GRPCAddr = "192.0.2.1:9090" }, []string{"grpc_addr: cannot be listened on: "}},
		"a data directory that is a file": {func(c *Config) { c.DataDir = file }, []string{"data_dir: cannot be written: "}},
		"a database that is a directory":  {func(c *Config) { c.DatabaseURL = "sqlite:" + dir }, []string{"database_url: cannot be written: "}},
		"a snapshot below a file": {
			func(c *Config) {
				c.Issuers = []Issuer{{URL: "https://clerk.example.com", KeysSnapshot: filepath.Join(file, "keys")}}
			},
			[]string{"issuers[0].keys_snapshot: cannot be written: "},
		},
		"PostgreSQL, which is not connected to": {func(c *Config) { c.DatabaseURL = "postgres://db.invalid/ostiary" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Config{HTTPAddr: free, GRPCAddr: free, AdminAddr: free, DataDir: filepath.Join(dir, "data")}
			test.edit(&config)
			faults := config.MachineFaults(t.Context())
			if len(faults) != len(test.want) {
				t.Fatalf("%v; want %q", faults, test.want)
			}
			for i, fault := range faults {
				if !strings.HasPrefix(fault.String(), test.want[i]) || !strings.Contains(fault.String(), "choose another") {
					t.Errorf("%v; want %q", fault, test.want[i])
				}
			}
			for _, made := range []string{"data", "a"} {
				if _, err := os.Stat(filepath.Join(dir, made)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
}

func TestADirectoryThatCannotBeWrittenIsAFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // who can write everywhere but where the kernel makes the files
		dir = "/proc"
	}
	faults := Config{HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: AdminNone, DataDir: dir}.MachineFaults(t.Context())
	if len(faults) != 1 || !strings.HasPrefix(faults[0].String(), "data_dir: no file can be made in "+dir) {
		t.Errorf("%v", faults)
	}
}
