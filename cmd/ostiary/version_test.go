package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"nothing is known": {debug.BuildInfo{}, "ostiary (devel) go unknown"},
		"a release": {
			debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}},
			"ostiary v1.2.3 go1.26.0",
		},
		"a working tree": {
			debug.BuildInfo{GoVersion: "go1.26.0", Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.modified", Value: "true"}}},
			"ostiary (devel) commit 0123abc with changes go1.26.0",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := versionLine(&test.info); got != test.want {
				t.Errorf("%q; want %q", got, test.want)
			}
		})
	}
}

func TestVersionLineOfALinkedCommit(t *testing.T) { //nolint:paralleltest // sets what the linker sets
	version, revision = "v1.2.3", "0123abc"
	defer func() { version, revision = "", "" }()
	const want = "ostiary v1.2.3 commit 0123abc go1.26.0"
	if got := versionLine(&debug.BuildInfo{GoVersion: "go1.26.0"}); got != want {
		t.Errorf("%q; want %q", got, want)
	}
}
