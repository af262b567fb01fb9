package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/pgserver"
	"github.com/ostiary/ostiary/internal/testprogram"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		work()
		return
	}
	os.Exit(m.Run())
}

// Each part is killed or cut off once, under load. The figures of this run mean nothing;
// what was acknowledged must not be lost.
func TestNothingIsLostWhenPartsOfAFleetDie(t *testing.T) {
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
	for _, m := range measures {
		if m.name == "call" { // is a benchmark elsewhere
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rows, err := m.run(t.Context(), quickly(program))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				t.Logf("%s: %s", r.what, r.measured)
			}
			if m.name == "behind" && !strings.Contains(rows[0].measured, "3 of 3 hubs log") {
				t.Errorf("not every hub says what the database lacks: %s", rows[0].measured)
			}
		})
	}
}

func TestTheFiguresReplaceThoseOfBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fleet.md")
	for _, test := range []struct{ before, after string }{
		{"# A\n\n## Figures\n\nold\n", "# A\n\n## Figures\n\nnew\n"},
		{"# A\n\n## Figures\n\nold\n\n## B\n", "# A\n\n## Figures\n\nnew\n\n## B\n"},
	} {
		if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := replaceFigures(path, "new\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != test.after {
			t.Errorf("%q, error %v; want %q", got, err, test.after)
		}
	}
}
