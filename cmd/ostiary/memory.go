package main

import (
	"log/slog"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryRatio is how much of a container's memory Go may use. The rest is for what Go does not
// count, such as the buffers of sockets.
const memoryRatio = 0.9

// limitMemory has Go keep within the memory of its container (cgroup v1 or v2), so that it
// frees memory in time, unless GOMEMLIMIT says otherwise.
func limitMemory(log *slog.Logger) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return
	}
	limit, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(memoryRatio))
	if err == nil && limit > 0 {
		log.Info("memory is limited by the container", "gomemlimit_mib", limit>>20)
	}
}
