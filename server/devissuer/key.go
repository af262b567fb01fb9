package devissuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// keyAlgorithm is the one that Clerk signs with.
const keyAlgorithm = "RS256"

// Open returns an issuer as New does, whose tokens are good after a restart too:
// its key is kept in a file, which is made where there is none. A file that
// others can read is refused, since they could sign with it.
func Open(issuerURL, keyFile string) (*Issuer, error) {
	iss, err := New(issuerURL)
	if err != nil {
		return nil, err
	}
	key, err := loadKey(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(keyFile); err == nil {
			key, err = loadKey(keyFile)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of the development issuer: %w", err)
	}
	iss.tokens.Publish(key)
	return iss, nil
}

func loadKey(path string) (*authtest.Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it, or delete it for a new key", path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil, err
	}
	unusable := fmt.Errorf("%s does not hold a usable key: delete it for a new one", path)
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, unusable
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, unusable // the parser's words could be about the key itself
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < 2048 {
		return nil, unusable
	}
	// The kid is the key's own, so that it stays and no other key has it.
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	return authtest.WrapKey(keyAlgorithm, private).WithID("ins_" + hex.EncodeToString(sum[:13])), nil
}

// makeKey puts a whole key in its place or none. Where another process has put
// one there meanwhile, that one stays.
func makeKey(path string) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".key-*") // for its owner alone
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	err = errors.Join(pem.Encode(temporary, &pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
