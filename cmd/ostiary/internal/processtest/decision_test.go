package processtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// kills is how often a server is killed while it writes.
const kills = 3

// A line is what these tests read of a record.
type line struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"decision_id"`
	Subject string    `json:"subject"`
	Lost    int       `json:"lost"`
}

// recorder is a server that writes its decisions.
type recorder struct {
	cmd       *exec.Cmd
	url, path string
	log       *syncBuffer
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startRecorder starts a server with an issuer, whose decisions go to a file.
func startRecorder(t *testing.T, issuer *authtest.Issuer, path string) *recorder {
	t.Helper()
	r := &recorder{log: new(syncBuffer), path: path}
	r.cmd = exec.Command("ostiary", "serve", "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--issuer", issuer.URL(),
		"--audiences", "notes", "--data-dir", t.TempDir(), "--decisions", path, "--decisions-max-size", "1", "--decisions-max-files", "2")
	r.cmd.Dir, r.cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	serving := r.await(t, servingLine)
	r.url = "http://" + serving[1]
	return r
}

// await waits for a line of the log that matches.
func (r *recorder) await(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	for deadline := time.Now().Add(serverTimeout); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if found := pattern.FindStringSubmatch(r.log.String()); found != nil {
			return found
		}
	}
	t.Fatalf("no line matches %v in\n%s", pattern, r.log)
	return nil
}

// call makes calls until stop is closed, or times of them, and returns how many were answered.
func (r *recorder) call(t *testing.T, token string, times int, stop <-chan struct{}) (answered int) {
	t.Helper()
	client := &http.Client{Transport: new(http.Transport), Timeout: serverTimeout}
	defer client.CloseIdleConnections()
	for range times {
		select {
		case <-stop:
			return answered
		default:
		}
		req, err := http.NewRequest(http.MethodPost, r.url+identityv1connect.IdentityServiceWhoAmIProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return answered
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			return answered // it was killed
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		answered++
	}
	return answered
}

// lines reads a file of decisions, each line of which must be whole, except perhaps the last.
func lines(t *testing.T, path string, tornEnd bool) (all []line, torn string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if torn = string(text[whole:]); torn != "" && !tornEnd {
		t.Errorf("%s ends with %q", path, torn)
	}
	for encoded := range bytes.Lines(text[:whole]) {
		var one line
		if err := json.Unmarshal(encoded, &one); err != nil {
			t.Fatalf("%s: %v in %q", path, err, encoded)
		}
		all = append(all, one)
	}
	return all, torn
}

// checkOrder has the records of each run in order, with no gaps but those that are told. It
// returns how many runs there are.
func checkOrder(t *testing.T, all []line) (runs int) {
	t.Helper()
	var run string
	var last, lost int
	for _, one := range all {
		if one.Lost > 0 {
			lost = one.Lost
			continue
		}
		of, n, _ := strings.Cut(one.ID, "-")
		number, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("a record has the id %q", one.ID)
		}
		if of != run {
			run, last = of, number-1-lost
			runs++
		}
		if number != last+1+lost {
			t.Fatalf("%s: %d comes after %d, and %d that were lost", run, number, last, lost)
		}
		last, lost = number, 0
	}
	return runs
}

func notesIssuer(t *testing.T) (*authtest.Issuer, string) {
	t.Helper()
	issuer := authtest.Start(t)
	token := issuer.Session("user_ada", authtest.With("aud", "notes"), authtest.ExpiresIn(time.Hour))
	return issuer, token
}

func TestAServerThatIsKilledLeavesWholeRecordsInOrder(t *testing.T) {
	t.Parallel()
	issuer, token := notesIssuer(t)
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	var run string
	for i := range kills {
		r := startRecorder(t, issuer, path)
		if i > 0 { // what the last kill has left is whole again
			lines(t, path, false)
		}
		stop, answered := make(chan struct{}), make(chan int)
		for range 2 {
			go func() { answered <- r.call(t, token, 100_000, stop) }()
		}
		for { // until some are written, in the middle of others
			if all, _ := lines(t, path, true); len(all) > 0 {
				of, n, _ := strings.Cut(all[len(all)-1].ID, "-")
				if number, _ := strconv.Atoi(n); of != run && number > 100 {
					run = of
					break
				}
			}
			<-time.After(5 * time.Millisecond)
		}
		if err := r.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = r.cmd.Wait()
		close(stop)
		if n := <-answered + <-answered; n == 0 {
			t.Error("no call was answered")
		}
	}
	rotated, err := filepath.Glob(filepath.Join(filepath.Dir(path), "decisions-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for _, file := range rotated {
		more, _ := lines(t, file, false)
		all = append(all, more...)
	}
	last, _ := lines(t, path, true)
	if runs := checkOrder(t, append(all, last...)); runs < kills && len(rotated) < 2 {
		t.Errorf("records of %d runs; want %d", runs, kills)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte(token)) {
		t.Errorf("the file has the token, or %v", err)
	}
}

var written = regexp.MustCompile(`records of decisions are written again" lost=(\d+)`)

func TestAFullDiskCostsNoCallAndNoRecordThatFitsIntoMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk can be mounted by root alone: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", dir).Run() })
	issuer, token := notesIssuer(t)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "decisions.jsonl")
	r := startRecorder(t, issuer, path)
	const calls = 600 // of 400 bytes each
	if answered := r.call(t, token, calls, nil); answered != calls {
		t.Fatalf("%d of %d calls were answered", answered, calls)
	}
	r.await(t, regexp.MustCompile(`level=ERROR msg="records of decisions cannot be written.*no space left`))
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if lost := r.await(t, written)[1]; lost != "0" {
		t.Errorf("%s records were lost", lost)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, r.log)
	}
	all, _ := lines(t, path, false)
	if checkOrder(t, all); len(all) != calls {
		t.Errorf("%d records; want %d", len(all), calls)
	}
	if n := strings.Count(r.log.String(), "cannot be written"); n != 1 {
		t.Errorf("the log says %d times that the disk is full", n)
	}
}

func TestDecisionsGoToStandardOutput(t *testing.T) {
	t.Parallel()
	issuer, token := notesIssuer(t)
	out := new(syncBuffer)
	r := &recorder{log: new(syncBuffer)}
	r.cmd = exec.Command("ostiary", "serve", "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--admin-addr", "none", "--issuer", issuer.URL(),
		"--audiences", "notes", "--data-dir", t.TempDir(), "--decisions", "stdout")
	r.cmd.Dir, r.cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}
	r.cmd.Stdout, r.cmd.Stderr = out, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.url = "http://" + r.await(t, servingLine)[1]
	r.call(t, token, 3, nil)
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for encoded := range strings.Lines(out.String()) {
		var one line
		if err := json.Unmarshal([]byte(encoded), &one); err != nil {
			t.Fatalf("%v in %q", err, encoded)
		}
		_, n, _ := strings.Cut(one.ID, "-")
		ids = append(ids, n+" "+one.Subject)
	}
	if got := fmt.Sprint(ids); got != "[1 user_ada 2 user_ada 3 user_ada]" {
		t.Errorf("it has %s", got)
	}
}
