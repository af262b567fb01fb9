package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// start runs a program that writes its URL to the standard output, and ends it with the
// test.
func start(t *testing.T, cmd *exec.Cmd) (firstLine string) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%v wrote nothing: %v", cmd.Args, err)
	}
	return strings.TrimSpace(line)
}

// startAt runs a program, waits until the URL answers, and ends it with the test.
func startAt(t *testing.T, cmd *exec.Cmd, url string) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := client.Do(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	t.Fatalf("%v does not answer at %s", cmd.Args, url)
}

// freeAddress returns an address of this machine that nothing listens on, for programs
// that cannot choose one.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func write(t *testing.T, file string, settings map[string]any) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A browser follows redirects until one leads to the client's page, and keeps cookies.
type browser struct {
	client *http.Client
	t      *testing.T
}

const callback = "http://127.0.0.1/callback"

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{
		Jar: jar, Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), callback) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}}
}

// get returns the page that a URL leads to, or where the client's page is asked for.
func (b *browser) get(target string) (page string, redirected *url.URL) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(target string, form url.Values) (page string, redirected *url.URL) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *browser) do(r *http.Request) (page string, redirected *url.URL) {
	b.t.Helper()
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if location, err := res.Location(); err == nil {
		return "", location
	}
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s: %.1000s", r.Method, r.URL, res.Status, body)
	}
	return string(body), nil
}

// tokens exchanges the code in the URL of the client's page.
func (b *browser) tokens(endpoint string, page *url.URL) (accessToken, idToken string) {
	b.t.Helper()
	if page == nil || page.Query().Get("code") == "" {
		b.t.Fatalf("no code in %v", page)
	}
	answer, _ := b.post(endpoint, url.Values{
		"grant_type": {"authorization_code"}, "code": {page.Query().Get("code")}, "redirect_uri": {callback},
		"client_id": {"web"}, "client_secret": {"not a secret"},
	})
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(answer), &tokens); err != nil {
		b.t.Fatal(err)
	}
	return tokens.Access, tokens.ID
}

// field returns the value of a hidden field.
func field(t *testing.T, page, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no field %s in %.1000s", name, page)
	}
	return found[1]
}
