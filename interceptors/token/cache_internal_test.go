package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
)

var start = time.Unix(1_800_000_000, 0)

// verdicts makes verdicts that differ in their digests and expire one second
// after the other.
func verdicts(t *testing.T, n int) []verdict {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwks.NewKey("k", public, "")
	if err != nil {
		t.Fatal(err)
	}
	all := make([]verdict, n)
	for i := range all {
		all[i] = verdict{
			digest: sha256.Sum256(fmt.Appendf(nil, "token %d", i)), key: key,
			identity: &auth.Identity{
				Subject: fmt.Sprint("user_", i), RawClaims: `{"sub":"x"}`, Scopes: make([]string, i%50),
				ExpiresAt: start.Add(time.Duration(i+1) * time.Second),
			},
		}
	}
	return all
}

// held counts what the cache holds, and the bytes that this costs.
func (c *cache) held() (entries int, bytes int64) {
	for i := range c.sets {
		for j := range ways {
			if v := c.sets[i].verdicts[j].Load(); v != nil {
				entries++
				bytes += sizeOf(v.identity)
			}
		}
	}
	return entries, bytes
}

func TestCacheStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]struct {
		entries int
		bytes   int64
	}{
		"of entries": {entries: 64, bytes: 1 << 30},
		"of bytes":   {entries: 1 << 16, bytes: 80 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCache(limit.entries, limit.bytes)
			all := verdicts(t, 2000)
			for round := range 2 {
				for _, v := range all {
					if round == 1 { // the same token again, larger
						id := *v.identity
						id.Scopes = make([]string, 80)
						v.identity = &id
					}
					c.put(v, start)
					entries, bytes := c.held()
					if bytes != c.bytes.Load() {
						t.Fatalf("the cache holds %d bytes and counts %d", bytes, c.bytes.Load())
					}
					if bytes > limit.bytes || entries > limit.entries {
						t.Fatalf("the cache holds %d entries of %d bytes", entries, bytes)
					}
				}
			}
			if entries, _ := c.held(); entries < 32 {
				t.Errorf("of 2000 tokens only %d are remembered", entries)
			}
		})
	}
}

func TestCacheComparesTheWholeDigest(t *testing.T) {
	t.Parallel()
	c := newCache(ways, 1<<20)
	all := verdicts(t, 2)
	all[1].digest = all[0].digest
	all[1].digest[31] ^= 1 // the same place, the same tag, another token
	c.put(all[0], start)
	if v := c.get(&all[1].digest); v != nil {
		t.Errorf("the verdict of another token was returned: %v", v.identity.Subject)
	}
	c.put(all[1], start)
	for i := range all {
		if v := c.get(&all[i].digest); v == nil || v.identity != all[i].identity {
			t.Errorf("token %d: %v", i, v)
		}
	}
}

func TestCacheEvictsTheLeastUseful(t *testing.T) {
	t.Parallel()
	all := verdicts(t, ways+2)
	full := func() *cache {
		c := newCache(ways, 1<<20)
		for _, v := range all[:ways] {
			c.put(v, start)
		}
		return c
	}

	c := full()
	c.put(all[ways], start)
	if c.get(&all[0].digest) != nil {
		t.Error("the one that expires first was kept")
	}
	for i := 1; i <= ways; i++ {
		if c.get(&all[i].digest) == nil {
			t.Errorf("token %d was forgotten", i)
		}
	}

	c = full()
	c.put(all[2], start) // again: it takes its own place
	if entries, _ := c.held(); entries != ways || c.get(&all[0].digest) == nil {
		t.Error("a token that was there took another's place")
	}

	// One that expired already goes before one that expires sooner than others.
	c = full()
	later := start.Add(1500 * time.Millisecond) // token 0 has expired
	c.put(all[ways], later)
	c.put(all[ways+1], later)
	if c.get(&all[0].digest) != nil || c.get(&all[1].digest) != nil || c.get(&all[2].digest) == nil {
		t.Error("room was not made by the expired token, then by the next to expire")
	}
}
