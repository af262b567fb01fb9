package jwks

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
)

// maxFileBytes bounds the files that a request needs: a bundle of all public
// certificate authorities has a quarter of it.
const maxFileBytes = 1 << 20

// CheckCAFile returns an error if a file cannot be a RemoteConfig's CAFile.
func CheckCAFile(path string) error {
	_, err := readRoots(path)
	return err
}

// CheckTokenFile returns an error if a file cannot be a RemoteConfig's TokenFile. The
// error contains no part of the token.
func CheckTokenFile(path string) error {
	_, err := readToken(path)
	return err
}

// readRoots reads the certificates of a CAFile.
func readRoots(path string) (*x509.CertPool, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate: give one or more in PEM", path)
	}
	return roots, nil
}

// readToken reads the token of a TokenFile. No error holds any of it.
func readToken(path string) (string, error) {
	content, err := readFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s does not hold one bearer token and nothing else", path)
	}
	return token, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxFileBytes)
	}
	return content, nil
}

// origin returns the scheme, host and port of the source (RFC 6454, section 4).
func (c RemoteConfig) origin() string {
	u, err := url.Parse(c.source())
	if err != nil {
		return ""
	}
	return originOf(u)
}

func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
