// Licenses prints the licences of everything in the program ostiary: archives, packages and
// images have them as THIRD_PARTY_LICENSES. Run it in the root of the repository.
//
// A text that several modules have is printed once. A module without one is an error.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if err := write(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// write writes the licences of what is linked on the systems of a release, and of the console.
func write(ctx context.Context, w io.Writer) error {
	texts := make(map[string][]string) // to the names of what has them
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	goroot := strings.TrimSpace(string(out))
	if err := add(texts, "Go "+runtime.Version(), goroot, goroot); err != nil {
		return err
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		packages, err := list(ctx, system)
		if err != nil {
			return err
		}
		for _, p := range packages {
			if err := add(texts, p.Module.Path+" "+p.Module.Version, p.Dir, p.Module.Dir); err != nil {
				return err
			}
		}
	}
	console, err := os.ReadFile("web/console/dist/licenses.md")
	if err != nil {
		return err
	}
	texts[string(console)] = []string{"the pages of the console"}
	const line = "\n================================================================================\n"
	fmt.Fprintln(w, "The licences of the software in ostiary.")
	for _, text := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int {
		return cmp.Compare(texts[a][0], texts[b][0])
	}) {
		if _, err := fmt.Fprint(w, line, strings.Join(texts[text], "\n"), "\n\n", text); err != nil {
			return err
		}
	}
	return nil
}

// A linked package is one of other people, but not of Go itself.
type linked struct {
	ImportPath, Dir string
	Module          *struct{ Path, Version, Dir string }
}

// list returns the packages that the program is linked from on a system.
func list(ctx context.Context, system string) (packages []linked, err error) {
	command := exec.CommandContext(ctx, "go", "-C", "cmd/ostiary", "list", "-deps", "-json=ImportPath,Dir,Module", ".")
	command.Env = append(os.Environ(), "GOWORK=auto", "CGO_ENABLED=0", "GOOS="+system)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !strings.HasPrefix(p.Module.Path, "github.com/ostiary/ostiary") {
			packages = append(packages, p)
		}
	}
}

var isLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)`)

// add adds the texts of the files in dir, and in those around it within root, to those of
// what is named. That there are none is an error.
func add(texts map[string][]string, name, dir, root string) error {
	found := false
	for ; strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.IsDir() || !isLicence.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				return err
			}
			found = true
			if names := texts[string(text)]; !slices.Contains(names, name) {
				texts[string(text)] = append(names, name)
			}
		}
	}
	if !found {
		return fmt.Errorf("%s has no file with a licence in %s", name, root)
	}
	return nil
}
