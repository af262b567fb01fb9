package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ostiary/ostiary/internal/disk"
	"github.com/ostiary/ostiary/server"
)

// maxClockDifference is that of PostgreSQL's clock which the server warns of.
const maxClockDifference = time.Minute

// store looks at the database without changing it.
func (p *patient) store(ctx context.Context) []Finding {
	config := p.Settings.Server.WithDefaults()
	if len(config.Follow.Hubs) > 0 {
		return []Finding{ok("store.relay", "", "a relay has no database")}
	}
	if config.DatabaseURL != "" && p.hasFault("database_url") {
		return nil
	}
	state, err := server.InspectStore(ctx, config)
	subject := cmp.Or(state.File, "PostgreSQL")
	const noStart = "the server does not start; one that runs goes on with what it knows, and nothing can be revoked"
	switch {
	case errors.Is(err, fs.ErrPermission):
		return []Finding{p.notWritable(subject, err)}
	case err != nil && state.File == "":
		id := "store.unreachable"
		if state.Known != 0 {
			id = "store.unusable"
		}
		return []Finding{fault(id, subject, err.Error(), noStart, "the message names it; "+p.Settings.NameOf("database_url")+" and libpq's variables, such as PGPASSWORD, say where and as whom")}
	case err != nil:
		return []Finding{fault("store.unusable", subject, err.Error(), noStart, "restore a backup with: ostiary restore; or correct "+p.Settings.NameOf("data_dir"))}
	}
	var findings []Finding
	if state.File != "" {
		if err := writable(state.File); err != nil {
			return []Finding{p.notWritable(subject, err)}
		}
	}
	if state.ReadOnly != nil {
		findings = append(findings, fault("store.read_only", subject, state.ReadOnly.Error(), "tokens are verified, and nothing can be revoked", "make it writable, and restart the server"))
	}
	if ahead := state.ClockAhead; ahead.Abs() > maxClockDifference {
		findings = append(findings, fault("clock.database", subject, fmt.Sprintf("the clocks of this machine and of the database differ by %v", ahead.Abs().Round(time.Second)),
			"one of them is wrong: tokens are refused, or accepted for too long", "set both clocks right, as with NTP"))
	}
	switch {
	case !state.Exists:
		findings = append(findings, ok("store.new", subject, "there is no database yet; the server makes it, and nothing is revoked in it"))
	case state.Version < state.Known:
		findings = append(findings, warning("store.older_schema", subject, fmt.Sprintf("its schema is version %d, and this program's is %d", state.Version, state.Known),
			"the server brings it up to date when it starts, and older servers cannot use it then", "update every server that uses this database; back it up before"))
	case len(findings) == 0:
		findings = append(findings, ok("store.usable", subject, fmt.Sprintf("it can be read and written; its schema is version %d", state.Version)))
	}
	return findings
}

func (p *patient) hasFault(key string) bool {
	for _, wrong := range p.Settings.AllFaults() {
		if wrong.Key == key {
			return true
		}
	}
	return false
}

func (p *patient) notWritable(subject string, err error) Finding {
	remedy := fmt.Sprintf("let user %d own the directory (chown %d), or set %s to one that it may write", os.Geteuid(), os.Geteuid(), p.Settings.NameOf("data_dir"))
	if p.inContainer() {
		remedy += "; in a container mount a volume there that this user may write"
	}
	return fault("store.not_writable", subject, fmt.Sprintf("user %d cannot write there: %v", os.Geteuid(), err), "the server does not start, or nothing can be revoked", remedy)
}

// writable returns why a file, and others beside it, cannot be written or made; nil where
// they can. It writes nothing.
func writable(file string) error {
	for _, path := range []string{file, filepath.Dir(file)} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := mayWrite(path); err != nil {
			return &fs.PathError{Op: "write", Path: path, Err: err}
		}
	}
	existing := existingParent(filepath.Dir(file))
	if err := mayWrite(existing); err != nil {
		return &fs.PathError{Op: "write", Path: existing, Err: err}
	}
	return nil
}

// existingParent returns the nearest folder above a path that exists, or itself.
func existingParent(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path
		}
		path = parent
	}
}

// disk looks at the space where the server writes files.
func (p *patient) disk(context.Context) []Finding {
	config := p.Settings.Server.WithDefaults()
	paths := map[string]string{}
	if len(config.Follow.Hubs) == 0 {
		if state := config.StoreFile(); state != "" {
			paths[existingParent(filepath.Dir(state))] = "the database"
		}
	} else if config.Follow.Snapshot != "" {
		paths[existingParent(filepath.Dir(config.Follow.Snapshot))] = "copies of revocations"
	}
	for i := range config.Issuers {
		if snapshot := config.Issuers[i].KeysSnapshot; snapshot != "" {
			paths[existingParent(filepath.Dir(snapshot))] = "keys"
		}
	}
	var findings []Finding
	for path, what := range paths {
		if err := mayWrite(path); err != nil && what != "the database" {
			findings = append(findings, warning("disk.not_writable", path, fmt.Sprintf("user %d cannot write there: %v", os.Geteuid(), err), what+" are not kept over restarts",
				fmt.Sprintf("let user %d write there", os.Geteuid())))
		}
		findings = append(findings, space(path, what)...)
	}
	return findings
}

func space(path, what string) []Finding {
	bytes, files, err := disk.Free(path)
	if err != nil {
		return nil // not known on this system
	}
	left := fmt.Sprintf("%d MiB are free for %s", bytes>>20, what)
	const why = "a full disk means that nothing can be revoked"
	const remedy = "free space there, or make the disk larger; logs are often what fills it"
	switch {
	case files == 0:
		return []Finding{fault("disk.no_inodes", path, "no further file can be made: the file system has no inode left", why, "remove files there")}
	case bytes < disk.NearlyFull:
		return []Finding{fault("disk.full", path, left, why, remedy)}
	case bytes < disk.GettingFull:
		return []Finding{warning("disk.low", path, left, why, remedy)}
	default:
		return []Finding{ok("disk.space", path, left)}
	}
}
