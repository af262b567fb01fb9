package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A visit is one request, and what became of it.
type visit struct {
	url         *url.URL
	proxy       *url.URL // nil for none
	remote      string   // the address that it was connected to; "" for none
	status      int
	contentType string
	body        []byte
	err         error
	took        time.Duration
	refused     int // the status with which the proxy refused to connect; 0 for none
	// ahead is how far the clock at the other end is ahead of this machine's, by the Date
	// header (RFC 9110, section 6.6.1), to a second and what the answer took. hasDate says
	// whether there was one.
	ahead   time.Duration
	hasDate bool
}

// A recorder is a transport like the one with which keys are fetched, that remembers what
// it was answered.
type recorder struct {
	base *http.Transport

	mu     sync.Mutex
	visits []visit
}

// maxBody bounds what is kept of an answer; it is that of the key set.
const maxBody = 256 << 10

// newRecorder trusts the authorities in a file instead of the system's, if one is named.
func newRecorder(caFile string) (*recorder, error) {
	r := &recorder{base: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}}
	if caFile == "" {
		return r, nil
	}
	certificates, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificates) {
		return nil, errors.New("there is no certificate in the file")
	}
	r.base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return r, nil
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	v := visit{url: req.URL}
	v.proxy, _ = http.ProxyFromEnvironment(req)
	transport := r.base.Clone()
	var refused atomic.Int64 // the connection may be made after the request has been given up
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			refused.Store(int64(res.StatusCode))
		}
		return nil
	}
	sent := time.Now()
	res, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { v.remote = info.Conn.RemoteAddr().String() },
	})))
	v.took, v.refused = time.Since(sent), int(refused.Load())
	defer func() {
		if errors.Is(v.err, context.Canceled) { // a further try, since the first one said enough
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.visits = append(r.visits, v)
	}()
	if err != nil {
		v.err = err
		return nil, err
	}
	v.status, v.contentType = res.StatusCode, res.Header.Get("Content-Type")
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		age, _ := strconv.Atoi(res.Header.Get("Age")) // of what a cache had
		v.hasDate = true
		v.ahead = date.Add(time.Duration(max(age, 0)) * time.Second).Sub(sent.Add(v.took / 2))
	}
	v.body, v.err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if v.err != nil {
		_ = res.Body.Close()
		return nil, v.err
	}
	res.Body = readCloser{io.MultiReader(bytes.NewReader(v.body), res.Body), res.Body}
	return res, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// last returns the last visit.
func (r *recorder) last() (visit, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.visits) == 0 {
		return visit{}, false
	}
	return r.visits[len(r.visits)-1], true
}

// find returns the latest visit to a URL.
func (r *recorder) find(address string) (found visit, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.visits {
		if v.url.String() == address {
			found, ok = v, true
		}
	}
	return found, ok
}

// get fetches something for the checks themselves.
func (r *recorder) get(ctx context.Context, address string) visit {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return visit{err: err}
	}
	res, err := r.RoundTrip(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if v, ok := r.last(); ok {
		return v
	}
	return visit{err: err}
}

// route says through what the visit went.
func (v visit) route() string {
	if v.proxy == nil {
		return "directly from " + v.remote
	}
	return "through the proxy " + v.proxy.Redacted()
}

// A trouble is why something could not be reached.
type trouble struct{ id, what, remedy string }

// Of the messages of Go's packages that have no type of their own.
const (
	plainAnswer = "server gave HTTP response to HTTPS client"
	tlsExpected = "Client sent an HTTP request to an HTTPS server"
)

// trouble returns why a visit failed. caFile is the setting for another authority, and ""
// where there is none.
func (v visit) trouble(caFile string) trouble {
	host := v.url.Hostname()
	if v.refused != 0 || v.proxy != nil && v.status == http.StatusProxyAuthRequired {
		return trouble{"proxy_refuses", fmt.Sprintf("the proxy %s refuses to connect to %s, with status %d", v.proxy.Redacted(), host, max(v.refused, v.status)),
			"allow " + host + " at the proxy, or name it in NO_PROXY if it can be reached directly"}
	}
	if v.err == nil {
		return v.statusTrouble()
	}
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var operation *net.OpError
	var timeout net.Error
	switch {
	case errors.As(v.err, &operation) && operation.Op == "proxyconnect":
		return trouble{"proxy_unreachable", fmt.Sprintf("the proxy %s cannot be reached: %v", v.proxy.Redacted(), operation.Err),
			"correct HTTPS_PROXY or HTTP_PROXY, or name " + host + " in NO_PROXY if it can be reached directly"}
	case errors.As(v.err, &dns):
		return trouble{"dns", fmt.Sprintf("the name %s cannot be resolved: %s", host, dns.Err),
			"correct the name, or the DNS servers of this machine or container; in a container, the name of another container counts only in their common network"}
	case errors.As(v.err, &authority):
		return trouble{"tls_unknown_ca", fmt.Sprintf("the certificate of %s is signed by an authority that this machine does not know", host), authorityRemedy(caFile)}
	case errors.As(v.err, &name):
		return trouble{"tls_name", fmt.Sprintf("the certificate of %s is for another name: %v", host, name), "use the name that the certificate is for, or have it issued for this one"}
	case errors.As(v.err, &invalid):
		return trouble{"tls_certificate", fmt.Sprintf("the certificate of %s does not count: %v", host, invalid), "have it renewed there; if it is new, the clock of this machine is wrong"}
	case errors.As(v.err, &record), strings.Contains(v.err.Error(), plainAnswer):
		return trouble{"scheme", v.url.Host + " speaks plain http, and the URL says https", "correct the scheme or the port of the URL"}
	case errors.Is(v.err, syscall.ECONNREFUSED):
		return trouble{"refused", v.url.Host + " refuses the connection: nothing listens there", "correct host and port; start what should listen there"}
	case errors.As(v.err, &timeout) && timeout.Timeout(), errors.Is(v.err, context.DeadlineExceeded):
		return trouble{"timeout", fmt.Sprintf("%s has not answered within %s", v.url.Host, v.took.Round(time.Second/10)), "look for a firewall, or a network policy, between here and there; where only a proxy reaches it, set HTTPS_PROXY"}
	case v.status != 0:
		return trouble{"truncated", fmt.Sprintf("the answer of %s ends in the middle: %v", v.url, v.err), "look at what is between here and there, such as a proxy that cuts answers"}
	default:
		return trouble{"unreachable", fmt.Sprintf("%s cannot be reached: %v", v.url.Host, v.err), "look at the network between here and there"}
	}
}

func authorityRemedy(caFile string) string {
	const system = "add the authority to the system's, or name its file in SSL_CERT_FILE"
	if caFile == "" {
		return system
	}
	return fmt.Sprintf("set %s to the PEM file of the authority; or %s", caFile, system)
}

// statusTrouble is trouble for an answer that is not what was asked for.
func (v visit) statusTrouble() trouble {
	switch {
	case strings.Contains(string(v.body), tlsExpected):
		return trouble{"scheme", v.url.Host + " speaks TLS, and the URL says http", "write https in the URL"}
	case v.status == http.StatusNotFound:
		return trouble{"not_found", fmt.Sprintf("%s answers 404: there is nothing", v.url), "correct the URL"}
	case v.status == http.StatusUnauthorized, v.status == http.StatusForbidden:
		return trouble{"forbidden", fmt.Sprintf("%s answers %d", v.url, v.status), "it wants credentials, or something between refuses: compare the answer with that to another machine"}
	case v.status != http.StatusOK:
		return trouble{"status", fmt.Sprintf("%s answers %d", v.url, v.status), "wait, or ask who runs it"}
	case isHTML(v):
		return trouble{"html", fmt.Sprintf("%s answers with a web page instead of JSON", v.url), "correct the URL; or a proxy or a captive portal answers in its place"}
	default:
		return trouble{"content", fmt.Sprintf("what %s answers cannot be used", v.url), "correct the URL, or ask who runs it"}
	}
}

func isHTML(v visit) bool {
	return strings.Contains(v.contentType, "html") || bytes.HasPrefix(bytes.TrimSpace(v.body), []byte("<"))
}
