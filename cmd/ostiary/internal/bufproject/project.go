// Package bufproject puts the schema of the rules into the folder of somebody's
// sources, and into the files by which buf reads them:
//
//	project, err := bufproject.Open(os.DirFS("."))
//	plan, err := project.Plan(bufproject.Options{Version: "v1.2.3"})
//
// It only plans: nothing is written.
package bufproject

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Project is the folder in which buf is run, or a folder without buf.
type Project struct {
	files     fs.FS
	configs   []*document // each buf.yaml
	templates []*document // each buf.gen.yaml
	modules   []module
	input     string // what buf generates if nothing is said
}

// A module is a folder from which files are imported.
type module struct {
	dir      string
	includes *includes // nil: all files
}

// includes are the folders to which a module is limited.
type includes struct {
	config string
	dirs   []string
}

// Open reads buf's files. It fails if one of them cannot be understood, or if they
// lie in another folder.
func Open(files fs.FS) (*Project, error) {
	p := &Project{files: files, input: "."}
	if err := p.readTemplates(); err != nil {
		return nil, err
	}
	if err := p.readModules(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Project) readModules() error {
	work, err := p.read("buf.work.yaml")
	if err != nil {
		return err
	}
	if work != nil {
		for _, dir := range scalars(find(work.root, "directories")) {
			if err := p.addConfig(path.Clean(dir)); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := fs.Stat(p.files, "buf.yaml"); err == nil {
		return p.addConfig(".")
	}
	return p.addConfigBelow()
}

func (p *Project) readTemplates() error {
	names, err := fs.Glob(p.files, "buf.gen*.yaml")
	for _, name := range names {
		template, err := p.read(name)
		if err != nil {
			return err
		}
		p.templates = append(p.templates, template)
	}
	return err
}

// addConfigBelow finds the configuration of a project that runs buf generate proto.
func (p *Project) addConfigBelow() error {
	var found []string
	err := fs.WalkDir(p.files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "vendor"):
			return fs.SkipDir
		case entry.Name() == "buf.yaml" || entry.Name() == "buf.work.yaml":
			found = append(found, name)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return err
	}
	if len(p.templates) == 0 || slices.ContainsFunc(found, func(name string) bool { return path.Base(name) == "buf.work.yaml" }) {
		return fmt.Errorf("there is no buf.yaml here, but %s: run this command in the folder in which you run buf", strings.Join(found, ", "))
	}
	for _, name := range found {
		if err := p.addConfig(path.Dir(name)); err != nil {
			return err
		}
	}
	if len(found) == 1 {
		p.input = path.Dir(found[0])
	}
	return nil
}

// addConfig adds the modules of the buf.yaml in a folder. Without one the folder is
// a module.
func (p *Project) addConfig(dir string) error {
	config, err := p.read(path.Join(dir, "buf.yaml"))
	if err != nil {
		return err
	}
	if config == nil {
		p.modules = append(p.modules, module{dir: dir})
		return nil
	}
	p.configs = append(p.configs, config)
	switch config.version() {
	case "v1":
		p.modules = append(p.modules, module{dir: dir})
		return nil
	case "v2":
	default:
		return fmt.Errorf("%s: version %q is not known here: update the file with buf config migrate, or update ostiary", config.name, config.version())
	}
	modules := items(find(config.root, "modules"))
	if len(modules) == 0 {
		p.modules = append(p.modules, module{dir: dir})
	}
	for _, node := range modules {
		m := module{dir: path.Join(dir, scalar(find(node, "path")))}
		if only := scalars(find(node, "includes")); len(only) > 0 {
			m.includes = &includes{config: config.name}
			for _, included := range only {
				m.includes.dirs = append(m.includes.dirs, path.Join(dir, included))
			}
		}
		p.modules = append(p.modules, m)
	}
	return nil
}

// read returns nil if there is no such file.
func (p *Project) read(name string) (*document, error) {
	data, err := fs.ReadFile(p.files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file, no document
	}
	if err != nil {
		return nil, err
	}
	return parse(name, data)
}
