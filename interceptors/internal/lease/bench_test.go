package lease

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
)

// BenchmarkLeave ends the leases of sessions that have few and many of them, the oldest last,
// and shows what a lease takes of the memory.
func BenchmarkLeave(b *testing.B) {
	const leases = 10_000
	for _, each := range []int{1, 100, leases} {
		b.Run(fmt.Sprintf("of %d in a session", each), func(b *testing.B) {
			members := make([]*member, leases)
			keys := make([]string, leases)
			for i := range members {
				members[i], keys[i] = new(member), strconv.Itoa(i/each)
			}
			var held uint64
			for b.Loop() {
				b.StopTimer()
				r, before := newRegistry(), inUse()
				for i, m := range members {
					r.Join(m, keys[i], i)
				}
				held = inUse() - before
				b.StartTimer()
				for i := range members {
					r.Leave(members[leases-1-i], keys[leases-1-i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/leases, "ns/lease")
			b.ReportMetric(float64(held)/leases, "B/lease")
		})
	}
}

func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
