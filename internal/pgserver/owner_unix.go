//go:build unix

package pgserver

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// giveAway gives a directory to the user postgres if this one is root, which PostgreSQL
// does not run as. It returns how a process is started as the owner, out of reach of the
// terminal's signals.
func giveAway(dir string) (*syscall.SysProcAttr, error) {
	owner := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return owner, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(account.Uid, 10, 31)
	gid, gidErr := strconv.ParseUint(account.Gid, 10, 31)
	owner.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return owner, errors.Join(uidErr, gidErr, os.Chown(dir, int(uid), int(gid)))
}
