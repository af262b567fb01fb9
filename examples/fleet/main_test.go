package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/internal/testprogram"
)

func TestASignOutAtOneReplicaEndsAStreamAtAServiceThatFollowsAnother(t *testing.T) {
	t.Parallel()
	if err := pgserver.Installed(); err != nil {
		testprogram.Missing(t, err.Error())
	}
	program := filepath.Join(t.TempDir(), "ostiary")
	build := exec.CommandContext(t.Context(), "go", "-C", "../../cmd/ostiary", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "GOWORK=auto")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var out bytes.Buffer
	// The machine that tests may be busy.
	if err := (demonstration{out: &out, program: program, within: 30 * time.Second}).run(t.Context()); err != nil {
		t.Fatalf("%v, after\n%s", err, &out)
	}
	for _, want := range []string{"The stream at billing, which follows replica 1, ended ", "The stream at shipping, which follows replica 2, ended "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
