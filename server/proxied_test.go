package server

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/proxytest"
	"github.com/ostiary/ostiary/server/settings"
)

// proxies are those that run in tests.
var proxies = map[string]proxytest.Kind{"nginx": proxytest.NGINX, "HAProxy": proxytest.HAProxy, "Caddy": proxytest.Caddy}

// browserAddr is where the callers of a proxy come from in tests. The proxy comes to the server
// from 127.0.0.1.
const browserAddr = "127.0.0.77"

// proxied is a server behind a proxy.
type proxied struct {
	*running

	proxy *proxytest.Proxy
	// grpcHost has the native port behind it.
	grpcHost string
}

// behind starts a proxy of deploy/proxies in front of a server, which trusts it.
func behind(t *testing.T, kind proxytest.Kind, edits []string, tuning tuning, configs ...func(*settings.Config)) proxied {
	t.Helper()
	r := startTuned(t, tuning, append(configs, withOperator, func(c *settings.Config) { c.TrustedProxies = []string{"127.0.0.1"} })...)
	eventually(t, "the server is ready", r.ready)
	proxy := proxytest.Start(t, kind, []proxytest.Server{{HTTP: r.HTTPAddr().String(), GRPC: r.GRPCAddr().String()}}, edits...)
	return proxied{r, proxy, "localhost"}
}

func fromBrowserAddr(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(browserAddr)}}
	return dialer.DialContext(ctx, network, strings.Replace(strings.TrimPrefix(addr, "grpc."), "localhost", "127.0.0.1", 1))
}

// client calls the proxy over TLS.
func (p proxied) client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: p.proxy.TLS.Clone(), DialContext: fromBrowserAddr}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// native is a connection of grpc-go to the proxy.
func (p proxied) native(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+p.grpcHost+strings.TrimPrefix(p.proxy.URL, "https://localhost"), grpc.WithTransportCredentials(credentials.NewTLS(p.proxy.TLS)),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return fromBrowserAddr(ctx, "tcp", addr) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A proxiedCall makes one call, and opens a stream and returns how to wait for its next message.
type proxiedCall struct {
	whoAmI func(ctx context.Context, header map[string]string) (*identityv1.WhoAmIResponse, error)
	watch  func(ctx context.Context, header map[string]string) (receive func() error, err error)
}

func (p proxied) calls(t *testing.T) map[string]proxiedCall {
	t.Helper()
	over := func(http2 bool, options ...connect.ClientOption) proxiedCall {
		client := identityv1connect.NewIdentityServiceClient(p.client(t, http2), p.proxy.URL, options...)
		with := func(ctx context.Context, header map[string]string) context.Context {
			ctx, call := connect.NewClientContext(ctx)
			for name, value := range header {
				call.RequestHeader().Set(name, value)
			}
			return ctx
		}
		return proxiedCall{
			func(ctx context.Context, header map[string]string) (*identityv1.WhoAmIResponse, error) {
				return client.WhoAmI(with(ctx, header), &identityv1.WhoAmIRequest{})
			},
			func(ctx context.Context, header map[string]string) (func() error, error) {
				stream, err := client.WatchIdentity(with(ctx, header), &identityv1.WatchIdentityRequest{})
				if err != nil {
					return nil, err
				}
				return func() error {
					if !stream.Receive() {
						return cmp.Or(stream.Err(), io.EOF)
					}
					return nil
				}, nil
			},
		}
	}
	native := identityv1.NewIdentityServiceClient(p.native(t))
	with := func(ctx context.Context, header map[string]string) context.Context {
		return metadata.NewOutgoingContext(ctx, metadata.New(header))
	}
	return map[string]proxiedCall{
		"Connect over HTTP/1.1":  over(false),
		"Connect over HTTP/2":    over(true),
		"Connect with JSON":      over(true, connect.WithProtoJSON()),
		"gRPC-Web over HTTP/1.1": over(false, connect.WithGRPCWeb()),
		"gRPC-Web over HTTP/2":   over(true, connect.WithGRPCWeb()),
		"gRPC of connect-go":     over(true, connect.WithGRPC()),
		"gRPC of grpc-go": {
			func(ctx context.Context, header map[string]string) (*identityv1.WhoAmIResponse, error) {
				return native.WhoAmI(with(ctx, header), &identityv1.WhoAmIRequest{})
			},
			func(ctx context.Context, header map[string]string) (func() error, error) {
				stream, err := native.WatchIdentity(with(ctx, header), &identityv1.WatchIdentityRequest{})
				return func() error { return stream.RecvMsg(new(identityv1.WatchIdentityResponse)) }, err
			},
		},
	}
}

// checkInventions checks that nothing counts that a client says of itself.
func (p proxied) checkInventions(t *testing.T) {
	t.Helper()
	for _, invented := range []string{"peer=203.0.113.9", "chosen-by-a-client"} {
		if contains(p.log, invented) {
			t.Errorf("the log has %s, which a client invented", invented)
		}
	}
}

// Behind each proxy every protocol works, streams are sent on as they come, and the client is
// the one that the proxy saw, whatever it says of itself.
func TestBehindProxies(t *testing.T) {
	t.Parallel()
	for name, kind := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Without heartbeats the first message is the only one.
			p := behind(t, kind, nil, tuning{heartbeat: time.Hour})
			calls := p.calls(t)
			for protocol, call := range calls {
				subject := strings.NewReplacer(" ", "_", "/", "_").Replace(protocol)
				header := map[string]string{
					"Authorization":   "Bearer " + p.issuer.Session(subject, authtest.With("sid", "of_"+subject)),
					"X-Forwarded-For": "203.0.113.9, 127.0.0.1",
					"Forwarded":       "for=203.0.113.9",
					"X-Request-Id":    "chosen-by-a-client",
				}
				if _, err := call.whoAmI(t.Context(), header); err != nil {
					t.Errorf("%s: %v", protocol, err)
					continue
				}
				eventually(t, "the log has the client of "+protocol, func() bool {
					return contains(p.log, "msg=call", "code=ok", "peer="+browserAddr, "subject="+subject)
				})

				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				receive, err := call.watch(ctx, header)
				if err == nil {
					err = receive()
				}
				if err != nil {
					t.Errorf("a stream over %s: %v", protocol, err)
				}
				cancel()
				eventually(t, "the server sees that the client of a stream has left, over "+protocol, func() bool {
					return contains(p.log, "msg=call", "procedure="+identityv1connect.IdentityServiceWatchIdentityProcedure, "code=canceled", "peer="+browserAddr, "subject="+subject)
				})
			}
			p.checkInventions(t)
			if ids := regexp.MustCompile(`msg=call .*code=ok .*request_id=[0-9a-f-]{32,36}\b`).FindAllString(p.log.String(), -1); len(ids) < len(calls) {
				t.Errorf("%d calls have the id that the proxy gave them", len(ids))
			}
		})
	}
}

func TestBehindHAProxyThatPassesOnBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clients := proxytest.WriteCertificate(t, dir)
	p := behind(t, proxytest.HAProxyTCP, nil, tuning{heartbeat: heartbeatInterval}, func(c *settings.Config) {
		c.ProxyProtocol, c.TLSCert, c.TLSKey = true, filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "key.pem")
	})
	p.proxy.TLS, p.grpcHost = clients, "grpc.localhost"
	for protocol, call := range p.calls(t) {
		subject := strings.NewReplacer(" ", "_", "/", "_").Replace(protocol)
		header := map[string]string{"Authorization": "Bearer " + p.issuer.Session(subject), "X-Forwarded-For": "203.0.113.9", "X-Request-Id": "chosen-by-a-client"}
		if _, err := call.whoAmI(t.Context(), header); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
		eventually(t, "the log has the client of "+protocol, func() bool {
			return contains(p.log, "msg=call", "code=ok", "peer="+browserAddr+":", "subject="+subject)
		})
	}
	p.checkInventions(t)
	eventually(t, "the proxy's own question is logged as from nobody known", func() bool {
		return contains(p.log, "msg=call", `procedure="GET /readyz"`, "code=ok", "peer=unknown")
	})
}
