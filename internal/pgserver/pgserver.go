// Package pgserver starts real PostgreSQL servers, of those that are installed on the
// machine, on Unix sockets in a temporary directory.
//
//	primary, err := pgserver.Start(ctx)
//	defer primary.Close()
//	url, err := primary.NewDatabase(ctx)
//
//	standby, err := primary.Standby(ctx, pgserver.Synchronous)
//	err = primary.Kill()
//	err = standby.Promote(ctx)
//
// Servers are stopped and their files removed when the process ends, however it ends.
package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// User is the name of the superuser, who needs no password.
const User = "postgres"

// A Server is one PostgreSQL server.
type Server struct {
	folder *folder
	dir    string // of its files
	socket string // the directory of its socket
}

// names counts databases and standbys, whose names differ.
var names atomic.Int64

// What each server begins with. To make it takes seconds.
var template initialFiles

type initialFiles struct {
	once   sync.Once
	folder *folder
	err    error
}

func (f *initialFiles) dir() string { return filepath.Join(f.folder.path, "template") }

// Installed returns nil if PostgreSQL is installed, and otherwise an error that says what
// to install.
func Installed() error {
	if _, err := exec.LookPath(program("initdb")); err != nil {
		return errors.New("PostgreSQL is not installed: install postgresql-14 or later, such as with apt-get install postgresql")
	}
	return nil
}

// Start starts a new server. Its commits do not wait for the disk, unless the settings,
// lines of postgresql.conf, say otherwise.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	if err := Installed(); err != nil {
		return nil, err
	}
	folder, err := newFolder()
	if err != nil {
		return nil, err
	}
	s := folder.server("primary")
	if err := s.initialize(ctx, settings); err != nil {
		folder.remove()
		return nil, err
	}
	return s, nil
}

// Close stops the server and all its standbys, and removes their files.
func (s *Server) Close() { s.folder.remove() }

func (f *folder) server(name string) *Server {
	return &Server{folder: f, dir: filepath.Join(f.path, name), socket: filepath.Join(f.path, "socket-"+name)}
}

func (s *Server) initialize(ctx context.Context, further []string) error {
	template.once.Do(func() {
		if template.folder, template.err = newFolder(); template.err == nil {
			template.err = template.folder.run(ctx, "initdb", "-D", template.dir(), "-U", User, "-A", "trust", "-E", "UTF8", "--no-sync")
		}
	})
	if template.err != nil {
		return template.err
	}
	if err := s.folder.run(ctx, "cp", "-R", template.dir(), s.dir); err != nil {
		return err
	}
	// The first line that fits counts: roles of this group need a password.
	rules := "local all +locked scram-sha-256\nlocal all,replication all trust\n"
	settings := fmt.Sprintf("\nlisten_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nfull_page_writes = off\nmax_connections = 200\n"+
		"wal_keep_size = 256\nhot_standby_feedback = on\nwal_receiver_status_interval = 1\n%s\n", s.socket, strings.Join(further, "\n"))
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, "pg_hba.conf"), []byte(rules), 0o600),
		appendTo(filepath.Join(s.dir, "postgresql.conf"), settings),
		s.Start(ctx),
		s.Execute(ctx, "postgres", "CREATE ROLE locked"),
	)
}

// NewDatabase returns the URL of a new, empty database.
func (s *Server) NewDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprint("test", names.Add(1))
	return s.URL(name), s.Execute(ctx, "postgres", "CREATE DATABASE "+name)
}

// Replace has a database get the name of another one, which is gone then. Both are URLs.
func (s *Server) Replace(ctx context.Context, gone, by string) error {
	old, err := databaseOf(gone)
	if err != nil {
		return err
	}
	other, err := databaseOf(by)
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"ALTER DATABASE " + old + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('" + old + "', '" + other + "')",
	} {
		if err := s.Execute(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	if err := s.waitFor(ctx, "ALTER DATABASE "+old+" RENAME TO gone_"+old); err != nil {
		return err
	}
	return s.waitFor(ctx, "ALTER DATABASE "+other+" RENAME TO "+old)
}

func databaseOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(u.Path, "/"), nil
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {s.socket}, "user": {User}}.Encode()
}

// Socket returns the directory of the server's socket, which has the port 5432.
func (s *Server) Socket() string { return s.socket }

// Execute executes SQL on a database of the server.
func (s *Server) Execute(ctx context.Context, database, sql string) error {
	return s.folder.run(ctx, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", s.socket, "-U", User, "-d", database, "-c", sql)
}

// Start starts the server, also after Stop or Kill, and returns when it can be connected
// to.
func (s *Server) Start(ctx context.Context) error {
	log := filepath.Join(s.dir, "log")
	if err := s.folder.run(ctx, "mkdir", "-p", s.socket); err != nil {
		return err
	}
	var err error
	for range 20 { // it does not start while processes of the one that was killed still run
		if err = s.folder.run(ctx, "pg_ctl", "start", "-w", "-D", s.dir, "-l", log); err == nil {
			return nil
		}
	}
	said, _ := os.ReadFile(log)
	return fmt.Errorf("%w; its log:\n%s", err, said)
}

// Stop shuts the server down, and ends its connections.
func (s *Server) Stop(ctx context.Context) error {
	return s.folder.run(ctx, "pg_ctl", "stop", "-w", "-m", "fast", "-D", s.dir)
}

// Kill sends SIGKILL to the server. Its other processes notice that and end.
func (s *Server) Kill() error {
	pid, err := s.pid()
	if err != nil {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}

func (s *Server) pid() (int, error) {
	content, err := os.ReadFile(filepath.Join(s.dir, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strconv.Atoi(line)
}

// Synchrony says whether a commit waits for a standby.
type Synchrony bool

// The values of Synchrony.
const (
	Asynchronous Synchrony = false
	Synchronous  Synchrony = true
)

// Standby starts a standby of the server. If it is Synchronous, commits wait from now on
// until the standby has them.
func (s *Server) Standby(ctx context.Context, synchrony Synchrony) (*Server, error) {
	name := fmt.Sprint("standby", names.Add(1))
	standby := s.folder.server(name)
	// The last of several lines for a setting counts.
	settings := fmt.Sprintf("\nunix_socket_directories = '%s'\nprimary_conninfo = 'host=%s user=%s application_name=%s'\nsynchronous_standby_names = ''\n", standby.socket, s.socket, User, name)
	for _, step := range []func() error{
		func() error {
			return s.folder.run(ctx, "pg_basebackup", "-h", s.socket, "-U", User, "-D", standby.dir, "-c", "fast", "--no-sync")
		},
		func() error { return s.folder.run(ctx, "touch", filepath.Join(standby.dir, "standby.signal")) },
		func() error { return appendTo(filepath.Join(standby.dir, "postgresql.conf"), settings) },
		func() error { return standby.Start(ctx) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if synchrony == Asynchronous {
		return standby, nil
	}
	if err := appendTo(filepath.Join(s.dir, "postgresql.conf"), "\nsynchronous_standby_names = '"+name+"'\n"); err != nil {
		return nil, err
	}
	if err := s.Execute(ctx, "postgres", "SELECT pg_reload_conf()"); err != nil {
		return nil, err
	}
	return standby, s.waitFor(ctx, `SELECT 1 / count(*) FROM pg_stat_replication WHERE application_name = '`+name+`' AND sync_state = 'sync'`)
}

// Detach has the standby receive nothing more, so that it falls behind.
func (s *Server) Detach(ctx context.Context) error {
	if err := s.Execute(ctx, "postgres", "ALTER SYSTEM SET primary_conninfo = ''"); err != nil {
		return err
	}
	if err := s.Execute(ctx, "postgres", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	return s.waitFor(ctx, `SELECT 1 / (1 - count(*)) FROM pg_stat_wal_receiver`)
}

// waitFor waits until a statement succeeds.
func (s *Server) waitFor(ctx context.Context, sql string) error {
	for {
		err := s.Execute(ctx, "postgres", sql)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the server does not get so far: %w", err)
		}
	}
}

// Promote makes the standby a primary, and returns when it takes writes.
func (s *Server) Promote(ctx context.Context) error {
	return s.folder.run(ctx, "pg_ctl", "promote", "-w", "-D", s.dir)
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// A folder holds servers, which end with it.
type folder struct {
	path    string
	owner   *syscall.SysProcAttr // of what runs there
	cleaner *exec.Cmd
	alive   io.Closer // the cleaner waits until it is closed
}

// clean stops every server in a folder, and removes it, once its standard input ends.
const clean = `read -r _
quit() { while [ -e "$1" ] && kill -QUIT "$(head -n 1 "$1")"; do sleep 0.1; done; }
for pid in "$1"/*/postmaster.pid; do quit "$pid" 2>/dev/null; done
rm -rf "$1"`

func newFolder() (*folder, error) {
	f := new(folder)
	var err error
	// The name of a socket has at most 107 bytes, so a short path.
	if f.path, err = os.MkdirTemp("/tmp", "pgserver"); err != nil {
		return nil, err
	}
	if f.owner, err = giveAway(f.path); err == nil {
		err = f.startCleaner()
	}
	if err != nil {
		_ = os.RemoveAll(f.path)
		return nil, err
	}
	return f, nil
}

// startCleaner starts the process that cleans up. The kernel closes the pipe to it when
// this process ends, whatever ends it.
func (f *folder) startCleaner() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	f.alive = write
	f.cleaner = exec.Command("sh", "-c", clean, "sh", f.path) //nolint:gosec,noctx // the path is ours; it outlives every context
	f.cleaner.Stdin = read
	f.cleaner.Dir = "/"
	f.cleaner.SysProcAttr = f.owner
	return f.cleaner.Start()
}

func (f *folder) remove() {
	_ = f.alive.Close()
	_ = f.cleaner.Wait()
}

// run runs a program of PostgreSQL, or another one, as the owner of the folder.
func (f *folder) run(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, program(name), args...) //nolint:gosec // names and paths of our own
	command.Dir = f.path
	command.SysProcAttr = f.owner
	// A server goes on, and would keep a pipe open.
	output, err := os.CreateTemp("", "pgserver")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(output.Close(), os.Remove(output.Name())) }()
	command.Stdout, command.Stderr = output, output
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(said))
	}
	return nil
}

// program returns the path of a program: of the newest PostgreSQL that is installed, or
// on the PATH.
func program(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return name
	}
	return slices.Max(found)
}
