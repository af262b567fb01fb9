package deploy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// revision is the commit that the image is built from.
const revision = "0123456789abcdef0123456789abcdef01234567"

// A builder is buildah with a storage of its own, which needs no daemon.
type builder struct {
	t       *testing.T
	storage []string
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil || os.Getuid() != 0 {
		without(t, "no image is built: install buildah, and run this as root")
	}
	b := &builder{t, []string{"--storage-driver", "vfs", "--root", t.TempDir(), "--runroot", t.TempDir()}}
	t.Cleanup(func() {
		b.run("rm", "--all") // with its mounts, which would keep the directories
		b.run("rmi", "--all", "--force")
	})
	return b
}

func (b *builder) command(args ...string) *exec.Cmd {
	return exec.Command("buildah", append(b.storage, args...)...)
}

// run returns the last line of what buildah says.
func (b *builder) run(args ...string) string {
	b.t.Helper()
	var out, errs bytes.Buffer
	cmd := b.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("buildah %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1]
}

// image builds the last stage of the Dockerfile from the program as make builds it.
func (b *builder) image() (name string) {
	b.t.Helper()
	root := b.t.TempDir()
	build := exec.Command("make", "--no-print-directory", "-C", "..", "image-root", "IMAGE_ROOT="+root, "VERSION=1.2.3", "REVISION="+revision)
	if out, err := build.CombinedOutput(); err != nil {
		b.t.Fatalf("make image-root: %v\n%s", err, out)
	}
	b.run("bud", "--isolation", "chroot", "--format", "docker", "--build-context", "build="+root,
		"--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION="+revision, "-f", "Dockerfile", "-t", "ostiary", b.t.TempDir())
	return "ostiary"
}

func TestImage(t *testing.T) {
	t.Parallel()
	b := newBuilder(t)
	image := b.image()

	checkConfiguration(t, b, image)
	checkSize(t, b, image)

	container := b.run("from", image)
	checkLicences(t, b.run("mount", container))
	in := func(args ...string) []string {
		return append([]string{"run", "--isolation", "chroot", "--env", "OSTIARY_HTTP_ADDR=127.0.0.1:0", "--env", "OSTIARY_GRPC_ADDR=127.0.0.1:0", container, "--", "/usr/bin/ostiary"}, args...)
	}
	if got := b.run(in("version")...); !strings.HasPrefix(got, "ostiary 1.2.3 commit "+revision+" go") {
		t.Errorf("version says %q", got)
	}

	server := b.command(in("dev", "--admin-addr", "127.0.0.1:0")...)
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what buildah runs ends with it
	started := time.Now()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	addresses := make(chan [2]string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		var http string
		for lines := bufio.NewScanner(io.TeeReader(stderr, &log)); lines.Scan(); {
			if addr := regexp.MustCompile(`msg=serving http=(\S+)`).FindStringSubmatch(lines.Text()); addr != nil {
				http = addr[1]
			}
			if addr := regexp.MustCompile(`admin=(\S+)`).FindStringSubmatch(lines.Text()); addr != nil {
				addresses <- [2]string{http, addr[1]}
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
		_ = server.Wait()
	})
	select {
	case addrs := <-addresses:
		t.Logf("serving after %v, of which buildah takes most", time.Since(started).Round(time.Millisecond))
		if got := b.run(in("probe", "--admin-addr", addrs[1])...); !strings.Contains(got, `"status":"ready"`) {
			t.Errorf("probe says %q", got)
		}
		token := b.run(in("token", "mint", "--as", "ada", "--server", "http://"+addrs[0])...)
		req, err := http.NewRequest(http.MethodPost, "http://"+addrs[0]+"/ostiary.identity.v1.IdentityService/WhoAmI", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "user_ada") {
			t.Errorf("a call: %s, %s, %v", resp.Status, body, err)
		}
	case <-read:
		t.Fatalf("the server ended\n%s", log.String())
	}
}

func checkConfiguration(t *testing.T, b *builder, image string) {
	t.Helper()
	var has struct {
		Docker struct {
			Config struct {
				User        string
				Entrypoint  []string
				Cmd         []string
				Volumes     map[string]struct{}
				Labels      map[string]string
				Healthcheck struct{ Test []string }
			} `json:"config"`
		}
	}
	out, err := b.command("inspect", "--type", "image", image).Output()
	if err == nil {
		err = json.Unmarshal(out, &has)
	}
	c := has.Docker.Config
	if _, kept := c.Volumes["/var/lib/ostiary"]; err != nil || !kept {
		t.Errorf("volumes %v, %v, want that of the data", c.Volumes, err)
	}
	if c.User != "65532:65532" || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/usr/bin/ostiary serve" {
		t.Errorf("user %q runs %q %q", c.User, c.Entrypoint, c.Cmd)
	}
	if got := strings.Join(c.Healthcheck.Test, " "); got != "CMD /usr/bin/ostiary probe" {
		t.Errorf("health check %q", got)
	}
	if of := "org.opencontainers.image."; c.Labels[of+"version"] != "1.2.3" || c.Labels[of+"revision"] != revision {
		t.Errorf("labels %v, want the version and the commit", c.Labels)
	}
}

// checkLicences checks that the licences of what is in the image are in it too.
func checkLicences(t *testing.T, root string) {
	t.Helper()
	if text := readFile(t, filepath.Join(root, "licenses", "LICENSE")); !strings.Contains(text, "Apache License") {
		t.Errorf("/licenses/LICENSE is %q", text)
	}
	text := readFile(t, filepath.Join(root, "licenses", "THIRD_PARTY_LICENSES"))
	for _, want := range []string{"\nGo go1", "\nmodernc.org/sqlite v", "\ngoogle.golang.org/grpc v", "\n## react-dom - "} {
		if !strings.Contains(text, want) {
			t.Errorf("/licenses/THIRD_PARTY_LICENSES does not have %q", want)
		}
	}
}

func checkSize(t *testing.T, b *builder, image string) {
	t.Helper()
	const most = 25_000_000
	archive := filepath.Join(t.TempDir(), "layout")
	b.run("push", "--quiet", image, "oci:"+archive) // which compresses the layers
	var size int64
	blobs, err := filepath.Glob(archive + "/blobs/sha256/*")
	for _, blob := range blobs {
		info, err := os.Stat(blob)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if err != nil || size == 0 || size > most {
		t.Errorf("%d bytes compressed, %v, want at most %d", size, err, most)
	}
	t.Logf("%.1f MB compressed", float64(size)/1e6)
}
