package revocation_test

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// million returns a list of a million revocations of the given kinds, and how
// many bytes of the heap each takes. Ids are as long as a provider's.
func million(b *testing.B, kinds ...revocation.TargetKind) (*revocation.List, float64) {
	b.Helper()
	const entries, batch = 1_000_000, 1000
	now := time.Now()
	before := heap()
	list := revocation.New(revocation.Config{})
	for from := 0; from < entries; from += batch {
		revocations := make([]revocation.Revocation, batch)
		for i := range revocations {
			kind := kinds[i%len(kinds)]
			revocations[i] = revocation.Revocation{Kind: kind, Issuer: issuer, ID: longID(kind, from+i), Before: now}
			if kind == revocation.TargetMember {
				revocations[i].Subject = longID(revocation.TargetSubject, from+i)
			}
		}
		if err := list.Add(revocations...); err != nil {
			b.Fatal(err)
		}
	}
	return list, float64(heap()-before) / entries
}

func longID(kind revocation.TargetKind, i int) string { return fmt.Sprintf("%.4s_%027d", kind, i) }

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkRevokedAmongAMillion asks about tokens that are not revoked, each time
// another, so that little of the list is in the cache. The identity was just read.
func BenchmarkRevokedAmongAMillion(b *testing.B) {
	for name, kinds := range map[string][]revocation.TargetKind{
		"sessions":     {revocation.TargetSession},
		"of all kinds": {revocation.TargetSession, revocation.TargetSubject, revocation.TargetToken, revocation.TargetClient},
		"in an organization": {
			revocation.TargetSession, revocation.TargetSubject, revocation.TargetToken, revocation.TargetClient,
			revocation.TargetOrganization, revocation.TargetMember,
		},
	} {
		b.Run(name, func(b *testing.B) {
			list, size := million(b, kinds...)
			inOrganization := slices.Contains(kinds, revocation.TargetOrganization)
			var names strings.Builder
			for names.Len() < 1<<22+64 {
				names.WriteString(rand.Text())
			}
			name := func(at int) string { return names.String()[at : at+32] }
			id := &auth.Identity{Issuer: issuer, Kind: auth.KindOAuth, IssuedAt: time.Now()}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				at := 4 * i & (1<<22 - 1)
				id.SessionID, id.Subject, id.TokenID, id.ClientID = name(at), name(at+1), name(at+2), name(at+3)
				if inOrganization {
					id.Organization.ID = name(at + 4)
				}
				if err := list.Revoked(id); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(size, "B/entry")
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	list := revocation.New(revocation.Config{})
	for i := range b.N {
		if err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: longID(revocation.TargetSession, i)}); err != nil {
			b.Fatal(err)
		}
	}
}
