package deploy_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A production instance's key, which no instance has: that of clerk.example.com.
const publishableKey = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"

// runWithClerk runs the image of the frontend once more, set up for Clerk as .env.example says. Clerk's own code
// verifies the session then; its keys are those of the development issuer, whose tokens look like Clerk's.
func (top *topology) runWithClerk() {
	t := top.t
	keys := top.serveKeys()
	const port = "3001"
	service := top.project.Services["frontend"]
	for name, value := range map[string]string{
		"PORT": port, "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": publishableKey, "CLERK_SECRET_KEY": "sk_live_" + strings.Repeat("a", 42), "CLERK_API_URL": keys,
	} {
		service.Environment[name] = &value
	}
	img := top.image("frontend")
	ended := top.run("the frontend with Clerk", top.command(t.Context(), "frontend", slices.Concat(img.Entrypoint, img.Cmd)))
	page := "http://" + net.JoinHostPort(top.addrs["frontend"].String(), port)
	top.await("the frontend with Clerk", ended, time.Second, func() error {
		_, err := top.get(page, "")
		return err
	})

	if answer, err := top.get(page+"/account", ""); err != nil || answer.status != http.StatusTemporaryRedirect || !strings.Contains(answer.location, "/sign-in?") {
		t.Errorf("signed out, /account is answered with %+v, %v; want a redirect to /sign-in", answer, err)
	}
	sum := sha1.Sum([]byte(publishableKey)) // as Clerk names its cookies
	suffix := base64.URLEncoding.EncodeToString(sum[:])[:8]
	cookie := fmt.Sprintf("__session_%s=%s; __client_uat_%s=%d", suffix, top.mint(), suffix, time.Now().Add(-time.Minute).Unix())
	const want = "The API knows you as user_ada"
	if answer, err := top.get(page+"/account", cookie); err != nil || answer.status != http.StatusOK || !strings.Contains(answer.body, want) {
		t.Errorf("with a session of Clerk's, /account is answered with %+v, %v; want %q", answer, err, want)
	}
}

// serveKeys is what Clerk's own code asks for keys: it has those of the development issuer.
func (top *topology) serveKeys() string {
	top.t.Helper()
	issuer := &url.URL{Scheme: "http", Host: "issuer:8081", Path: "/.well-known/jwks.json"}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL, r.Out.Host = issuer, issuer.Host },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(top.addrs["issuer"], 8081).String())
		}},
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(bridge.Addr(), 0).String())
	if err != nil {
		top.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/jwks", proxy)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	top.t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// mint returns a token of ada's from the issuer's published port.
func (top *topology) mint() string {
	top.t.Helper()
	resp, err := http.Post("http://localhost:8081/dev/token", "application/json", bytes.NewReader([]byte(`{"as":"ada"}`)))
	if err != nil {
		top.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		top.t.Fatalf("no token: %s, %v", resp.Status, err)
	}
	return answer.Token
}

type pageAnswer struct {
	status         int
	location, body string
}

// get asks for a page as a browser does.
func (top *topology) get(page, cookie string) (pageAnswer, error) {
	top.t.Helper()
	req, err := http.NewRequestWithContext(top.t.Context(), http.MethodGet, page, nil)
	if err != nil {
		top.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Dest", "document")
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	client := http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return pageAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return pageAnswer{resp.StatusCode, resp.Header.Get("Location"), string(body)}, err
}
