//go:build !unix

package pgserver

import "syscall"

// giveAway does nothing: PostgreSQL runs as whoever starts it.
func giveAway(string) (*syscall.SysProcAttr, error) { return nil, nil }
