package jwks

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFileBytes bounds the files that a request needs: a bundle of all public
// certificate authorities has a quarter of it.
const maxFileBytes = 1 << 20

// readRoots reads the certificates of a CAFile.
func readRoots(path string) (*x509.CertPool, error) {
	content, err := readFile("CAFile", path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("CAFile %s holds no certificate: give one or more in PEM", path)
	}
	return roots, nil
}

// readToken reads the token of a TokenFile. No error holds any of it.
func readToken(path string) (string, error) {
	content, err := readFile("TokenFile", path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("TokenFile %s does not hold one bearer token and nothing else", path)
	}
	return token, nil
}

func readFile(name, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer file.Close() //nolint:errcheck // only read from
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%s %s is longer than %d bytes", name, path, maxFileBytes)
	}
	return content, nil
}
