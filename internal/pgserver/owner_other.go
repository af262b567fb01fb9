//go:build !unix

package pgserver

import "syscall"

// giveAway does nothing: PostgreSQL runs as the user who starts it.
func giveAway(string) (*syscall.SysProcAttr, error) { return nil, nil }
