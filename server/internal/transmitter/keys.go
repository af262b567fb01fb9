package transmitter

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws/jwsbb"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// algorithm and keyBits are what the profile for interoperability of CAEP asks for.
	algorithm = "RS256"
	keyBits   = 2048
	// A key is followed by another after rotateAfter. That one signs when it has been
	// published for publishFor, so that receivers have fetched it. The latest keptKeys are
	// published.
	rotateAfter = 90 * 24 * time.Hour
	publishFor  = 24 * time.Hour
	keptKeys    = 3
	// keysInterval is how often the keys are read, which another process may have made, and
	// keysFailedInterval how soon again where that has failed.
	keysInterval       = time.Minute
	keysFailedInterval = 5 * time.Second
)

// A signer signs events with the keys in the store, which all servers with the same database
// share.
type signer struct {
	store store.Store
	now   func() time.Time

	mu      sync.Mutex
	keys    []signingKey // the latest first
	failure error        // of reading them last
	next    time.Time    // when to read them again
}

type signingKey struct {
	id        string
	private   *rsa.PrivateKey
	createdAt time.Time
}

// current returns the keys, the latest first, and makes one where that is due.
func (s *signer) current(ctx context.Context) ([]signingKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.next) {
		return s.keys, s.failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout) // it is for all who wait
	defer cancel()
	keys, err := s.load(ctx)
	if err == nil && (len(keys) == 0 || s.now().Sub(keys[0].createdAt) >= rotateAfter) {
		if err = s.add(ctx); err == nil {
			keys, err = s.load(ctx)
		}
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("the store has not kept the key")
	}
	if err == nil {
		s.keys, s.failure, s.next = keys, nil, time.Now().Add(keysInterval)
		return s.keys, nil
	}
	// The store is not asked for each event, by callers who wait for each other. Keys that are known go on.
	s.next = time.Now().Add(keysFailedInterval)
	if len(s.keys) == 0 {
		s.failure = fmt.Errorf("the keys that sign events: %w", err)
	}
	return s.keys, s.failure
}

func (s *signer) load(ctx context.Context) ([]signingKey, error) {
	kept, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]signingKey, len(kept))
	for i, k := range kept {
		parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
		private, isRSA := parsed.(*rsa.PrivateKey)
		if err != nil || !isRSA {
			return nil, fmt.Errorf("the key %s cannot be read; delete its row, and another is made", k.ID)
		}
		keys[i] = signingKey{k.ID, private, k.CreatedAt}
	}
	return keys, nil
}

// add makes a key, unless another process has just done so.
func (s *signer) add(ctx context.Context) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	now := s.now()
	key := store.SigningKey{ID: rand.Text(), Private: encoded, CreatedAt: now}
	return s.store.AddSigningKey(ctx, key, now.Add(-rotateAfter).Add(time.Microsecond), keptKeys)
}

// signing returns the latest of the keys that have been published for long enough, or else
// the first.
func signing(keys []signingKey, now time.Time) signingKey {
	for _, key := range keys {
		if now.Sub(key.createdAt) >= publishFor {
			return key
		}
	}
	return keys[len(keys)-1]
}

// sign returns a security event token.
func (s *signer) sign(ctx context.Context, c *claims) (string, error) {
	keys, err := s.current(ctx)
	if err != nil {
		return "", err
	}
	key := signing(keys, s.now())
	header, err := json.Marshal(map[string]string{"alg": algorithm, "typ": "secevent+jwt", "kid": key.id})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := jwsbb.Sign(key.private, algorithm, []byte(input), nil)
	if err != nil {
		return "", fmt.Errorf("sign an event: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// published returns the public keys (RFC 7517).
func (s *signer) published(ctx context.Context) (jwk.Set, error) {
	keys, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	set := jwk.NewSet()
	for _, key := range keys {
		public, err := jwk.Import(key.private.Public())
		if err != nil {
			return nil, err
		}
		for name, value := range map[string]string{jwk.KeyIDKey: key.id, jwk.AlgorithmKey: algorithm, jwk.KeyUsageKey: "sig"} {
			if err := public.Set(name, value); err != nil {
				return nil, err
			}
		}
		if err := set.AddKey(public); err != nil {
			return nil, err
		}
	}
	return set, nil
}
