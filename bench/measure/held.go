package measure

import "runtime"

// Held is what a process holds on to.
type Held struct {
	Heap       float64 // bytes of the heap
	Stacks     float64 // bytes of the goroutines' stacks
	Goroutines float64
}

// Holding returns what this process holds, after all garbage is gone.
func Holding() Held {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return Held{Heap: float64(stats.HeapAlloc), Stacks: float64(stats.StackInuse), Goroutines: float64(runtime.NumGoroutine())}
}

// Since returns what has been added to an earlier Holding, for each of n.
func (h Held) Since(earlier Held, n int) Held {
	return Held{
		Heap:       (h.Heap - earlier.Heap) / float64(n),
		Stacks:     (h.Stacks - earlier.Stacks) / float64(n),
		Goroutines: (h.Goroutines - earlier.Goroutines) / float64(n),
	}
}
