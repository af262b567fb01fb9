package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/pires/go-proxyproto"
	"google.golang.org/grpc/health/grpc_health_v1"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// checkPeer calls as a subject of its own, with headers of the proxy's, and asks the log and an
// operator who has called.
func (r *running) checkPeer(t *testing.T, transport endpoint, client *http.Client, subject string, header map[string]string, want string) {
	t.Helper()
	ctx, call := connect.NewClientContext(t.Context())
	call.RequestHeader().Set("Authorization", "Bearer "+r.issuer.Session(subject, authtest.With("sid", "of_"+subject)))
	for name, value := range header {
		call.RequestHeader().Set(name, value)
	}
	if _, err := identityv1connect.NewIdentityServiceClient(client, transport.url, transport.options...).WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	eventually(t, "the call of "+subject+" is logged as from "+want, func() bool {
		return contains(r.log, "msg=call", "code=ok", "peer="+want, "subject="+subject)
	})
	operator := connect.WithInterceptors(bearer(r.issuer.Session("user_otto")))
	res, err := sessionv1connect.NewSessionServiceClient(client, transport.url, append(transport.options, operator)...).
		GetSession(t.Context(), &sessionv1.GetSessionRequest{Session: sessionRef(r.issuer.URL(), "of_"+subject, subject)})
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := strings.Cut(want, " ")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if got := res.GetSession().GetSightings()[0].GetIpAddress(); got != host {
		t.Errorf("the session of %s was seen at %q, want %q", subject, got, host)
	}
}

func TestTheClientOfATrustedProxyIsThePeer(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	for protocol, transport := range r.transports() {
		subject := strings.ReplaceAll(protocol, " ", "_")
		r.checkPeer(t, transport, httpClient(t, true), "ada_"+subject,
			map[string]string{"X-Forwarded-For": "198.51.100.1, 203.0.113.5, 127.0.0.9"}, "203.0.113.5 ")
		r.checkPeer(t, transport, httpClient(t, true), "ben_"+subject,
			map[string]string{"Forwarded": `for=198.51.100.1, for="[2001:db8::5]:4711";proto=https`}, "[2001:db8::5]:4711 ")
	}
}

func TestAnswersOfStreamsAloneAreNotToBeBuffered(t *testing.T) {
	t.Parallel()
	r := start(t)
	for protocol, options := range map[string][]connect.ClientOption{"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}} {
		client := r.identityClient(t, r.issuer.Session("user_ada"), options...)
		ctx, call := connect.NewClientContext(t.Context())
		if _, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		if got := call.ResponseHeader().Values("X-Accel-Buffering"); len(got) > 0 {
			t.Errorf("%s: a unary answer has X-Accel-Buffering %q", protocol, got)
		}
		stream, err := client.WatchIdentity(t.Context(), &identityv1.WatchIdentityRequest{})
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		if stream.Receive(); stream.ResponseHeader().Get("X-Accel-Buffering") != "no" {
			t.Errorf("%s: a stream has %v", protocol, stream.ResponseHeader())
		}
		_ = stream.Close()
	}
}

func TestAWatchOfTheHealthIsNeverSilentForLong(t *testing.T) {
	t.Parallel()
	r := startTuned(t, tuning{heartbeat: time.Millisecond})
	eventually(t, "the server is ready", r.ready)
	stream, err := grpc_health_v1.NewHealthClient(r.grpcConn(t)).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	for n := 0; n < 3 && err == nil; n++ {
		var res *grpc_health_v1.HealthCheckResponse
		if res, err = stream.Recv(); res.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("the status is %v, %v", res, err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatAStrangerForwardsIsIgnored(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.TrustedProxies = []string{"10.0.0.0/8", "::1"} })
	for protocol, transport := range r.transports() {
		r.checkPeer(t, transport, httpClient(t, true), strings.ReplaceAll(protocol, " ", "_"),
			map[string]string{"X-Forwarded-For": "10.0.0.1, 203.0.113.5", "Forwarded": "for=203.0.113.5"}, "127.0.0.1:")
	}
}

// proxiedClient is a client whose connections begin with a PROXY protocol header.
func proxiedClient(t *testing.T, header *proxyproto.Header) *http.Client {
	t.Helper()
	client := httpClient(t, true)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			_, err = header.WriteTo(conn)
		}
		return conn, err
	}
	return client
}

func proxyHeader(version byte, client string) *proxyproto.Header {
	source := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client))
	return proxyproto.HeaderProxyFromAddrs(version, source, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443})
}

func TestThePROXYProtocolNamesTheClient(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) {
		c.TrustedProxies, c.ProxyProtocol = []string{"127.0.0.1", "10.0.0.0/8"}, true
	})
	for protocol, transport := range r.transports() {
		subject := strings.ReplaceAll(protocol, " ", "_")
		// The client is no trusted proxy, so its own headers do not count.
		r.checkPeer(t, transport, proxiedClient(t, proxyHeader(1, "203.0.113.5:4711")), "ada_"+subject,
			map[string]string{"X-Forwarded-For": "198.51.100.1"}, "203.0.113.5:4711 ")
		r.checkPeer(t, transport, proxiedClient(t, proxyHeader(2, "203.0.113.6:4711")), "ben_"+subject, nil, "203.0.113.6:4711 ")
		// Behind two proxies the inner one names the outer one, whose header counts.
		r.checkPeer(t, transport, proxiedClient(t, proxyHeader(2, "10.0.0.1:4711")), "cleo_"+subject,
			map[string]string{"X-Forwarded-For": "198.51.100.1"}, "198.51.100.1 ")
	}
}

func TestConnectionsWithoutAPROXYHeaderAreClosed(t *testing.T) {
	t.Parallel()
	expecting := start(t, func(c *settings.Config) { c.TrustedProxies, c.ProxyProtocol = []string{"127.0.0.1"}, true })
	elsewhere := start(t, func(c *settings.Config) { c.TrustedProxies, c.ProxyProtocol = []string{"10.0.0.1"}, true })
	notExpecting := start(t, func(c *settings.Config) { c.TrustedProxies = []string{"127.0.0.1"} })
	const get, preface = "GET /livez HTTP/1.1\r\nHost: ostiary\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	const header = "PROXY TCP4 203.0.113.5 192.0.2.1 4711 443\r\n"
	for name, tt := range map[string]struct {
		server *running
		http   string
		grpc   string
		logged string
	}{
		"a proxy that sends none":       {expecting, get, preface, "a trusted proxy has sent no PROXY protocol header"},
		"a broken header":               {expecting, "PROXY TCP4 nobody\r\n" + get, "PROXY TCP4 nobody\r\n" + preface, ""},
		"a stranger":                    {elsewhere, get, preface, "it is not one of the trusted proxies"},
		"a stranger that sends one":     {elsewhere, header + get, header + preface, "it is not one of the trusted proxies"},
		"a server that does not expect": {notExpecting, header + get, header + preface, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for addr, request := range map[string]string{tt.server.HTTPAddr().String(): tt.http, tt.server.GRPCAddr().String(): tt.grpc} {
				if answer := exchange(t, addr, request); strings.Contains(answer, "200 OK") {
					t.Errorf("%s serves %q: %q", addr, request, answer)
				}
			}
			if tt.logged != "" {
				eventually(t, "the log says why", func() bool { return contains(tt.server.log, `msg="connection closed"`, "peer=127.0.0.1:", tt.logged) })
			}
		})
	}
	if answer := exchange(t, expecting.HTTPAddr().String(), header+"GET /livez HTTP/1.1\r\nHost: ostiary\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, "200 OK") {
		t.Errorf("with the header the answer is %q", answer)
	}
}

// One client can take no more of the connections than its part, also where all come from the
// proxy.
func TestConnectionsCountForTheClientThatAPROXYHeaderNames(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) {
		c.TrustedProxies, c.ProxyProtocol, c.MaxConnectionsPerAddress = []string{"127.0.0.1"}, true, 2
	})
	open := func(addr net.Addr, client string) net.Conn {
		t.Helper()
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if client != "" {
			if _, err := proxyHeader(2, client).WriteTo(conn); err != nil {
				t.Fatal(err)
			}
		}
		return conn
	}
	served := func(conn net.Conn) bool {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: ostiary\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection is neither served nor closed")
		}
		return strings.Contains(line, "200 OK")
	}
	http := r.HTTPAddr()
	first := open(http, "203.0.113.5:1")
	if !served(first) || !served(open(http, "203.0.113.5:2")) {
		t.Fatal("a client that has not taken its part is refused")
	}
	if served(open(http, "203.0.113.5:3")) {
		t.Error("a client has three connections; want two")
	}
	native := open(r.GRPCAddr(), "203.0.113.5:4")
	_ = native.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, native); errors.Is(err, os.ErrDeadlineExceeded) { // the server's settings come first
		t.Error("a client that has taken its part has a connection to the native port")
	}
	eventually(t, "the log names the client", func() bool {
		return contains(r.log, `msg="connection closed"`, "peer=203.0.113.5:3", "too many connections from one address")
	})
	if !served(open(http, "203.0.113.6:1")) {
		t.Error("another client is refused")
	}
	_ = first.Close()
	eventually(t, "there is a place again", func() bool { return served(open(http, "203.0.113.5:5")) })
}

// Each header is waited for, for seconds, but by its own connection alone.
func TestASilentProxyKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.TrustedProxies, c.ProxyProtocol = []string{"127.0.0.1"}, true })
	for range 20 {
		for _, addr := range []net.Addr{r.HTTPAddr(), r.GRPCAddr()} {
			silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = silent.Close() })
		}
	}
	began := time.Now()
	for protocol, transport := range r.transports() {
		client := identityv1connect.NewIdentityServiceClient(proxiedClient(t, proxyHeader(2, "203.0.113.5:4711")), transport.url, transport.options...)
		_, err := client.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
		if reason, _ := reasonOf(err); reason != auth.TokenMissing {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	if took := time.Since(began); took > 20*time.Second { // one after the other they take 100 s
		t.Errorf("the calls took %s", took)
	}
}

// exchange sends something, and returns what comes until the server closes the connection.
func exchange(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = conn.Write([]byte(request))
	var answer strings.Builder
	_, err = bufio.NewReader(conn).WriteTo(&answer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s does not close the connection; it has answered %q", addr, answer.String())
	}
	return answer.String()
}
