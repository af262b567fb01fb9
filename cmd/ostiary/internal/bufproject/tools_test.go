package bufproject

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// bin is a folder with buf and its plugins, once tools has been called.
var bin string

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "buf"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(bin)
	os.Exit(code)
}

// tools fills bin, at the versions that this repository pins; Go builds what it has not
// built before.
var tools = sync.OnceValue(func() error {
	for _, tool := range []struct{ modfile, name string }{
		{"go.check.mod", "buf"}, {"go.tool.mod", "protoc-gen-go"}, {"go.tool.mod", "protoc-gen-connect-go"},
	} {
		built, err := goCommand("off", "tool", "-n", "-modfile="+tool.modfile, tool.name)
		if err != nil {
			return err
		}
		if err := os.Symlink(strings.TrimSpace(built), filepath.Join(bin, tool.name)); err != nil {
			return err
		}
	}
	plugin, err := filepath.Abs(filepath.Join(nodeModules, ".bin", "protoc-gen-es"))
	if err != nil {
		return err
	}
	if err := os.Symlink(plugin, filepath.Join(bin, "protoc-gen-es")); err != nil {
		return err
	}
	_, err = goCommand("auto", "-C", "cmd/buf-plugin-ostiary", "build", "-o", filepath.Join(bin, "buf-plugin-ostiary"), ".")
	return err
})

// goCommand runs go at the root of this repository.
func goCommand(workspace string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "GOWORK="+workspace)
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, progress.String())
	}
	return string(out), nil
}
