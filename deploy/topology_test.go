package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// The host's address on the bridge, and the network that the services are in.
var bridge = netip.MustParsePrefix("172.30.0.1/24")

// A topology is what runs in the namespaces.
type topology struct {
	t       *testing.T
	plan    plan
	project *types.Project
	addrs   map[string]netip.Addr      // by service
	started map[string]<-chan struct{} // closed when the service has ended
}

func runCompose(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	top := &topology{t: t, addrs: make(map[string]netip.Addr), started: make(map[string]<-chan struct{})}
	if err := json.Unmarshal(text, &top.plan); err != nil {
		t.Fatal(err)
	}
	if err := os.Unsetenv(insideVariable); err != nil {
		t.Fatal(err)
	}
	top.project = loadCompose(t, top.plan.File, "dev")
	top.connect()
	for _, name := range top.project.ServiceNames() {
		top.start(name)
	}
	for name, service := range top.project.Services {
		top.awaitHealthy(name)
		for _, port := range service.Ports {
			top.publish(port, name)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "../web/testing/compose.js")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the browser: %v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	top.runWithClerk()
}

// connect gives each service a network namespace on one bridge.
func (top *topology) connect() {
	top.t.Helper()
	top.sh("mount -t tmpfs run /run && mkdir /run/netns && ip link set lo up && ip link add app type bridge && ip addr add " + bridge.String() + " dev app && ip link set app up")
	addr := bridge.Addr()
	hosts := "127.0.0.1 localhost\n"
	for _, name := range top.project.ServiceNames() {
		addr = addr.Next()
		top.addrs[name] = addr
		hosts += fmt.Sprintf("%s %s\n", addr, name)
		top.sh(fmt.Sprintf(`ip netns add %[1]s
			ip link add to-%[1]s master app type veth peer name eth0 netns %[1]s
			ip link set to-%[1]s up
			ip -n %[1]s addr add %[2]s/%[3]d dev eth0
			ip -n %[1]s link set eth0 up
			ip -n %[1]s link set lo up`, name, addr, bridge.Bits()))
	}
	if err := os.WriteFile(filepath.Join(top.plan.Dir, "hosts"), []byte(hosts), 0o644); err != nil {
		top.t.Fatal(err)
	}
}

func (top *topology) sh(script string) {
	top.t.Helper()
	if out, err := exec.CommandContext(top.t.Context(), "sh", "-euc", script).CombinedOutput(); err != nil {
		top.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// start starts a service after those that it depends on, and waits for them as the file says.
func (top *topology) start(name string) {
	top.t.Helper()
	if top.started[name] != nil {
		return
	}
	service := top.project.Services[name]
	for _, dependency := range slices.Sorted(maps.Keys(service.DependsOn)) {
		if _, there := top.project.Services[dependency]; !there {
			continue // compose-go has refused the file if it is required
		}
		top.start(dependency)
		if condition := service.DependsOn[dependency].Condition; condition == types.ServiceConditionHealthy {
			top.awaitHealthy(dependency)
		}
	}
	img := top.image(name)
	entrypoint, command := img.Entrypoint, img.Cmd
	if service.Entrypoint != nil {
		entrypoint, command = service.Entrypoint, nil
	}
	if service.Command != nil {
		command = service.Command
	}
	top.started[name] = top.run(name, top.command(top.t.Context(), name, slices.Concat(entrypoint, command)))
}

// run starts a program, and returns a channel that is closed when it has ended.
func (top *topology) run(name string, cmd *exec.Cmd) <-chan struct{} {
	top.t.Helper()
	log := &serviceLog{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		top.t.Fatalf("%s: %v", name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	top.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if top.t.Failed() {
			top.t.Logf("log of %s:\n%s", name, log.text())
		}
	})
	return ended
}

// image returns what a service runs; that of PostgreSQL is what its entry point does.
func (top *topology) image(name string) image {
	top.t.Helper()
	service := top.project.Services[name]
	if img, built := top.plan.Images[service.Image]; built {
		return img
	}
	if !strings.HasPrefix(service.Image, "postgres:") {
		top.t.Fatalf("%s runs an image that this test does not know: %s", name, service.Image)
	}
	return image{Root: "/", Dir: "/", User: "postgres", Entrypoint: []string{"sh", "-euc", `
		initdb --username="$POSTGRES_USER" --pwfile=/dev/stdin --auth-local=trust --auth-host=scram-sha-256 --no-sync -D "$PGDATA" <<-END
			$POSTGRES_PASSWORD
		END
		printf 'host\tall\tall\tall\tscram-sha-256\n' >> "$PGDATA/pg_hba.conf"
		echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
		exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories="$PGDATA"`}}
}

func postgresPrograms() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// command runs something where a service runs, as its user and with its variables.
func (top *topology) command(ctx context.Context, name string, argv []string) *exec.Cmd {
	top.t.Helper()
	img, service := top.image(name), top.project.Services[name]
	env := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "HOSTNAME": name}
	for _, variable := range img.Env {
		key, value, _ := strings.Cut(variable, "=")
		env[key] = value
	}
	for key, value := range service.Environment {
		if value != nil {
			env[key] = *value
		}
	}
	root := img.Root
	if img.Scratch {
		root = top.ownRoot(name, img)
	}
	if img.User == "postgres" {
		env["PATH"] = postgresPrograms() + ":" + env["PATH"]
		env["PGDATA"] = top.volume(name, "/var/lib/postgresql/data")
	}

	hosts := filepath.Join(top.plan.Dir, "hosts")
	args := []string{"netns", "exec", name}
	if img.Scratch {
		args = append(args, "/usr/sbin/chroot", "--userspec="+img.User+":"+img.User, root)
	} else {
		user := map[string]string{"node": "1000"}[img.User]
		if user == "" {
			user = img.User
		}
		group := user
		args = append(args, "sh", "-euc", `mount --bind "$0" /etc/hosts; cd "$1"; shift; exec setpriv --clear-groups "$@"`,
			hosts, filepath.Join(root, img.Dir), "--reuid", user, "--regid", group)
	}
	cmd := exec.CommandContext(ctx, "ip", append(args, argv...)...)
	for key, value := range env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.WaitDelay = time.Second
	return cmd
}

// ownRoot returns a copy of the image's files for one service, with its volumes' owner.
func (top *topology) ownRoot(name string, img image) string {
	top.t.Helper()
	root := filepath.Join(top.plan.Dir, name)
	if _, err := os.Stat(root); err == nil {
		return root
	}
	etc := filepath.Join(root, "etc")
	if err := errors.Join(copyTree(root, img.Root, nil), os.MkdirAll(etc, 0o755), copyTree(filepath.Join(etc, "hosts"), filepath.Join(top.plan.Dir, "hosts"), nil)); err != nil {
		top.t.Fatal(err)
	}
	top.sh(fmt.Sprintf("chown -R %s:%s %s/var/lib/ostiary", img.User, img.User, root))
	return root
}

// volume returns the directory of a service's volume.
func (top *topology) volume(name, target string) string {
	top.t.Helper()
	for _, volume := range top.project.Services[name].Volumes {
		if volume.Target == target {
			dir := filepath.Join(top.plan.Dir, "volume-"+volume.Source)
			if _, err := os.Stat(dir); err != nil {
				top.sh("install -d -m 700 -o postgres -g postgres " + dir)
			}
			return dir
		}
	}
	top.t.Fatalf("%s has no volume at %s", name, target)
	return ""
}

// awaitHealthy runs the health check of a service until it passes.
func (top *topology) awaitHealthy(name string) {
	top.t.Helper()
	check := top.project.Services[name].HealthCheck
	if check == nil || check.Test[0] != "CMD" {
		top.t.Fatalf("%s has no health check of a program", name)
	}
	top.await(name, top.started[name], time.Duration(*check.StartInterval), func() error {
		ctx, cancel := context.WithTimeout(top.t.Context(), time.Duration(*check.Timeout))
		defer cancel()
		out, err := top.command(ctx, name, check.Test[1:]).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// await asks what has been started whether it is ready, until it is or has ended.
func (top *topology) await(name string, ended <-chan struct{}, interval time.Duration, ready func() error) {
	top.t.Helper()
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if err = ready(); err == nil {
			return
		}
		select {
		case <-ended:
			top.t.Fatalf("%s has ended", name)
		case <-time.After(interval):
		}
	}
	top.t.Fatalf("%s is not healthy: %v", name, err)
}

// publish carries connections from a port of the host to a service, as a container engine does.
func (top *topology) publish(port types.ServicePortConfig, name string) {
	top.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(port.HostIP, port.Published))
	if err != nil {
		top.t.Fatal(err)
	}
	target := netip.AddrPortFrom(top.addrs[name], uint16(port.Target)).String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go relay(conn, target)
		}
	}()
}

func relay(conn net.Conn, target string) {
	defer conn.Close()
	other, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer other.Close()
	go func() {
		_, _ = io.Copy(other, conn)
		_ = other.Close()
	}()
	_, _ = io.Copy(conn, other)
}

type serviceLog struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *serviceLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *serviceLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
