package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The unit is one that systemd understands, and leaves little for an intruder to do.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		without(t, "no unit is checked: install systemd")
	}
	unit, err := os.ReadFile("systemd/ostiary.service")
	if err != nil {
		t.Fatal(err)
	}
	// systemd-analyze asks that the program exist.
	path := filepath.Join(t.TempDir(), "ostiary.service")
	runs := strings.ReplaceAll(string(unit), "/usr/bin/ostiary", "/bin/true")
	if err := os.WriteFile(path, []byte(runs), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	const most = "15" // exposure 1.5 of 10; what is left is the network
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold="+most, path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
