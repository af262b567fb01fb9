package bufproject

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/proto"
)

// sources returns the module for the schema: the one that is named, that has it
// already, that is the only one, or that is the only one with services.
func (p *Project) sources(dir string) (module, error) {
	if dir != "" {
		return p.named(dir)
	}
	for _, choose := range []func(module) bool{p.hasSchema, func(module) bool { return true }, p.hasService} {
		var chosen []module
		for _, m := range p.modules {
			if choose(m) {
				chosen = append(chosen, m)
			}
		}
		if len(chosen) == 1 {
			return chosen[0], nil
		}
	}
	if len(p.modules) == 0 {
		return module{}, errors.New("there is no buf.yaml here: name the folder from which your .proto files are imported, such as --dir proto")
	}
	return module{}, fmt.Errorf("several modules could take the schema: choose one with --dir: %s", p.names())
}

func (p *Project) named(dir string) (module, error) {
	if !fs.ValidPath(dir) {
		return module{}, fmt.Errorf("--dir is %q: name a folder below this one, such as proto", dir)
	}
	if info, err := fs.Stat(p.files, dir); err != nil || !info.IsDir() {
		return module{}, fmt.Errorf("--dir is %q: there is no such folder", dir)
	}
	if len(p.modules) == 0 {
		return module{dir: dir}, nil
	}
	at := slices.IndexFunc(p.modules, func(m module) bool { return m.dir == dir })
	if at < 0 {
		return module{}, fmt.Errorf("--dir is %q, which is no module of buf's: choose one of %s", dir, p.names())
	}
	return p.modules[at], nil
}

func (p *Project) names() string {
	var names []string
	for _, m := range p.modules {
		names = append(names, m.dir)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func (p *Project) hasSchema(m module) bool {
	_, err := fs.Stat(p.files, path.Join(m.dir, proto.PolicyFile))
	return err == nil
}

var service = regexp.MustCompile(`(?m)^service\s+\w+\s*\{`)

func (p *Project) hasService(m module) bool {
	found := errors.New("found")
	err := fs.WalkDir(p.files, m.dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".proto" {
			return err
		}
		text, err := fs.ReadFile(p.files, name)
		if err == nil && service.Match(text) {
			return found
		}
		return err
	})
	return errors.Is(err, found)
}
