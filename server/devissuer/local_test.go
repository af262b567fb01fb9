package devissuer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/devissuer"
)

func TestOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	url := start(t)
	port := url[strings.LastIndex(url, ":"):]
	const (
		host    = "the development issuer answers only to a loopback name: use localhost, 127.0.0.1 or [::1]"
		origin  = "the development issuer answers no web page from elsewhere: open the page on localhost"
		proxied = "the development issuer does not answer through a proxy: call it directly"
	)
	for _, test := range []struct {
		name   string
		host   string // as sent; the port is that of the server
		header http.Header
		want   string // empty when answered
	}{
		{name: "localhost is answered", host: "localhost" + port},
		{name: "LocalHost is answered", host: "LocalHost" + port},
		{name: "another address of 127.0.0.0/8 is answered", host: "127.8.9.10" + port},
		{name: "::1 is answered", host: "[::1]" + port},
		{name: "a page on localhost is answered", header: http.Header{"Origin": {"http://localhost:3000"}}},
		{name: "a page on ::1 is answered", header: http.Header{"Origin": {"https://[::1]:3000"}}},

		{name: "a name that was pointed here is refused", host: "attacker.example" + port, want: host},
		{name: "a name that begins as loopback is refused", host: "localhost.attacker.example" + port, want: host},
		{name: "a name that begins as an address is refused", host: "127.0.0.1.attacker.example" + port, want: host},
		{name: "a name below localhost is refused", host: "app.localhost" + port, want: host},
		{name: "the unspecified address is refused", host: "0.0.0.0" + port, want: host},
		{name: "an address in short form is refused", host: "127.1" + port, want: host},
		{name: "a private address is refused", host: "192.168.1.2" + port, want: host},

		{name: "a page from elsewhere is refused", header: http.Header{"Origin": {"https://attacker.example"}}, want: origin},
		{name: "a page of a look-alike is refused", header: http.Header{"Origin": {"http://localhost.attacker.example"}}, want: origin},
		{name: "a page of no origin is refused", header: http.Header{"Origin": {"null"}}, want: origin},
		{name: "an empty origin is refused", header: http.Header{"Origin": {""}}, want: origin},
		{
			name:   "one strange origin of two is refused",
			header: http.Header{"Origin": {"http://localhost:3000", "https://attacker.example"}},
			want:   origin,
		},

		{name: "what a proxy forwards is refused", header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}, want: proxied},
		{name: "what a proxy forwards by RFC 7239 is refused", header: http.Header{"Forwarded": {"for=203.0.113.7"}}, want: proxied},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, request := range []*http.Request{
				newRequest(t, http.MethodPost, url+"/dev/token", `{"as":"ada"}`),
				newRequest(t, http.MethodGet, url+"/dev/personas", ""),
				newRequest(t, http.MethodGet, url+"/.well-known/jwks.json", ""),
			} {
				request.Host = test.host
				for name, values := range test.header {
					request.Header[name] = values
				}
				if test.want != "" {
					isRefused(t, request, http.StatusForbidden, test.want)
				} else if status, body := call(t, request); status != http.StatusOK {
					t.Errorf("%s: %d %s", request.URL.Path, status, body)
				}
			}
		})
	}
}

func TestOtherMachinesAreRefused(t *testing.T) {
	t.Parallel()
	issuer, err := devissuer.New("http://localhost:8080")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, remote string
		status       int
	}{
		{"127.0.0.1 is this machine", "127.0.0.1:54321", http.StatusOK},
		{"::1 is this machine", "[::1]:54321", http.StatusOK},
		{"127.0.0.1 written as IPv6 is this machine", "[::ffff:127.0.0.1]:54321", http.StatusOK},
		{"another machine of the network is refused", "192.168.1.2:54321", http.StatusForbidden},
		{"another machine, written as IPv6, is refused", "[::ffff:192.168.1.2]:54321", http.StatusForbidden},
		{"a link-local address is refused", "[fe80::1%eth0]:54321", http.StatusForbidden},
		{"an unknown address is refused", "@", http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// No listener on loopback hears other machines, so the address is
			// handed over as a server would.
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:8080/dev/token",
				strings.NewReader(`{"as":"ada"}`))
			request.Header.Set("Content-Type", "application/json")
			request.RemoteAddr = test.remote
			recorder := httptest.NewRecorder()
			issuer.ServeHTTP(recorder, request)
			if recorder.Code != test.status {
				t.Errorf("status %d, want %d: %s", recorder.Code, test.status, recorder.Body)
			}
			if test.status != http.StatusOK && strings.Contains(recorder.Body.String(), "token\"") {
				t.Errorf("the refusal holds a token: %s", recorder.Body)
			}
		})
	}
}

func TestOtherMachinesThatAreAllowedAreAnswered(t *testing.T) {
	t.Parallel()
	issuer, err := devissuer.New("http://localhost:8080")
	if err != nil {
		t.Fatal(err)
	}
	issuer.AllowRemote("issuer")
	for _, test := range []struct {
		name, url, origin string
		status            int
	}{
		{name: "a container, by the name that is allowed", url: "http://issuer:8080/dev/token", status: http.StatusOK},
		{name: "the host, through a published port", url: "http://localhost:8080/dev/token", origin: "http://localhost:3000", status: http.StatusOK},
		{name: "a page on the name that is allowed", url: "http://issuer:8080/dev/token", origin: "http://issuer:8080", status: http.StatusOK},
		{name: "another name", url: "http://attacker.example:8080/dev/token", status: http.StatusForbidden},
		{name: "a name below the one that is allowed", url: "http://a.issuer:8080/dev/token", status: http.StatusForbidden},
		{name: "a page from elsewhere", url: "http://localhost:8080/dev/token", origin: "https://attacker.example", status: http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.url, strings.NewReader(`{"as":"ada"}`))
			request.Header.Set("Content-Type", "application/json")
			if test.origin != "" {
				request.Header.Set("Origin", test.origin)
			}
			request.RemoteAddr = "172.18.0.1:54321"
			recorder := httptest.NewRecorder()
			issuer.ServeHTTP(recorder, request)
			if recorder.Code != test.status {
				t.Errorf("status %d, want %d: %s", recorder.Code, test.status, recorder.Body)
			}
		})
	}
}
