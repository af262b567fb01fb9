// Package processtest runs the program as a process of its own: under load, while it is
// restarted, without memory, without a disk, and beside proxies.
package processtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// serverTimeout bounds every wait for a server.
const serverTimeout = 30 * time.Second

var (
	servingLine = regexp.MustCompile(`msg=serving http=(\S+) grpc=(\S+)`)
	adminLine   = regexp.MustCompile(`admin=(\S+)`)
)

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

// withProgram runs the tests with the program in the PATH, which is built as they are.
func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ostiary")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"-C", "../..", "build", "-buildvcs=false", "-o", filepath.Join(dir, "ostiary")}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
