package report

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// A Machine is what was measured on.
type Machine struct {
	CPU    string
	Cores  int
	System string
	Go     string
}

// ThisMachine returns the machine that this program runs on.
func ThisMachine() Machine {
	return Machine{
		CPU:    cpuModel(),
		Cores:  runtime.NumCPU(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Go:     runtime.Version(),
	}
}

// String returns one line.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s", m.CPU, m.Cores, m.System, m.Go)
}

// cpuModel asks Linux; other systems have no such file.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "CPU not known"
	}
	for lines := bufio.NewScanner(bytes.NewReader(info)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "CPU not known"
}

// A Version is that of a module that takes part.
type Version struct{ Module, Version string }

// Versions returns the versions of the modules that this program was built
// with, by name.
func Versions(modules []string) []Version {
	var versions []Version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if slices.Contains(modules, dependency.Path) {
				versions = append(versions, Version{dependency.Path, dependency.Version})
			}
		}
	}
	return versions
}
