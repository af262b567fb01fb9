package processtest

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/testprogram"
)

// startProviderAt starts an OpenID provider whose clock is off by a time such as +5m, and returns
// its issuer. It is a dynamic program, whose clock faketime can set; that of a Go program it cannot.
func startProviderAt(t *testing.T, offset string) (issuer string) {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "interceptors", "interop", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	faketime, err := exec.LookPath("faketime")
	if err != nil {
		testprogram.Missing(t, "no clock that is off was tested: install faketime")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "oidc-provider")); err != nil {
		testprogram.Missing(t, "no clock that is off was tested: install Node 22 or later, and run make test, or npm ci in interceptors/interop/testdata")
	}
	provider := exec.Command(faketime, "-f", offset, "node", "provider.js")
	provider.Dir, provider.Stderr = folder, t.Output()
	provider.Env = append(os.Environ(), "FAKETIME_DONT_FAKE_MONOTONIC=1")
	stdin, err := provider.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := provider.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := provider.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // with which it ends
		_ = provider.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// tokenOf returns an access token of the provider's client job, which counts for a minute.
func tokenOf(t *testing.T, issuer string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("job", url.QueryEscape("not a secret"))
	res, err := patient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("the provider answers %s, %s, %v", res.Status, answer.Error, err)
	}
	return answer.Token
}

func TestAClockThatIsOffIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		offset, reason, cause, finding string
	}{
		"this machine's is behind": {"+5m", "TOKEN_NOT_YET_VALID", "this machine's clock is (5m|4m5)[0-9]*s behind that of the issuer", "clock.behind"},
		"this machine's is ahead":  {"-5m", "TOKEN_EXPIRED", "this machine's clock is (5m|4m5)[0-9]*s ahead of that of the issuer", "clock.ahead"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := startProviderAt(t, test.offset)
			token := tokenOf(t, issuer)
			set := []string{"--issuer", issuer, "--profile", "oidc", "--audiences", "https://api.example.com", "--accept-kinds", "machine,oauth,session"}
			p := startPiped(t, append([]string{"serve", "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"}, set...)...)
			p.awaitReady(t)
			if status, _, err := do(patient, whoAmIRequest(t.Context(), p.url, token)); err != nil || status != http.StatusUnauthorized {
				t.Errorf("the token is answered %d, %v; want 401", status, err)
			}
			p.await(t, regexp.MustCompile(`msg=call .*reason=`+test.reason+` .*cause="[^"]*`+test.cause))

			doctor := exec.Command("ostiary", append([]string{"doctor", "--token", "-", "--output", "json", "--http-addr", strings.TrimPrefix(p.url, "http://"), "--grpc-addr", p.grpc}, set...)...)
			doctor.Dir, doctor.Env, doctor.Stdin = p.cmd.Dir, p.cmd.Env, strings.NewReader(token)
			found, err := doctor.Output()
			if err == nil {
				t.Error("the doctor finds no fault")
			}
			for _, want := range []string{`"` + test.finding + `"`, `"token.` + strings.ToLower(test.reason) + `"`, test.cause} {
				if !regexp.MustCompile(want).Match(found) {
					t.Errorf("the doctor does not say %s:\n%s", want, found)
				}
			}
			p.stop(t)
		})
	}
}
