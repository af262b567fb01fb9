package bufproject

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/proto"
)

// Options say what to plan.
type Options struct {
	// Dir is the folder from which the sources are imported, with slashes, below that
	// of the project. Empty: the only module, or the only one with services.
	Dir string
	// Version is that of the schema, for its first line.
	Version string
	// Force replaces a schema that somebody has changed.
	Force bool
	// NoLint leaves buf.yaml as it is.
	NoLint bool
}

// A Plan is what a project needs.
type Plan struct {
	// Files are the files to write. Empty if the project needs no change that can be made
	// for it.
	Files []File
	// ByHand has what is left to somebody who knows better, a paragraph each.
	ByHand []string
	// Schema is the name of policy.proto.
	Schema string
	// Exclude is the folder that buf generate must leave out, where buf.gen.yaml cannot say
	// so and generates Go alone; else empty.
	Exclude string
	// UsesBuf is false for a project without buf's files.
	UsesBuf bool
	// Lints is set if buf lint asks for rules.
	Lints bool
}

// A File is one to be written.
type File struct {
	Name  string
	Text  string
	What  string   // what is new in it
	Lines []string // the lines of a file of buf's that are new or changed, each with its number
}

// Plan returns what the project needs. An error says which option helps, and is
// ErrChanged for a schema that is not as it was written.
func (p *Project) Plan(options Options) (*Plan, error) {
	module, err := p.sources(options.Dir)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Schema: path.Join(module.dir, proto.PolicyFile), UsesBuf: len(p.modules) > 0}
	schema, err := p.schema(plan.Schema, options)
	if err != nil {
		return nil, err
	}
	if schema != nil {
		plan.Files = append(plan.Files, *schema)
	}
	if only := module.includes; only != nil && !covers(only.dirs, plan.Schema) {
		plan.byHand("%s: the module %s has includes: add %s", only.config, module.dir, path.Dir(plan.Schema))
	}
	for _, template := range p.templates {
		p.planTemplate(plan, template)
	}
	for _, config := range p.configs {
		if !options.NoLint {
			plan.lint(config)
		}
	}
	return plan, nil
}

// covers reports whether a file is one of the files, or in one of the folders.
func covers(dirs []string, file string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		dir = path.Clean(dir)
		return dir == "." || dir == file || strings.HasPrefix(file, dir+"/")
	})
}

func (plan *Plan) byHand(format string, args ...any) {
	plan.ByHand = append(plan.ByHand, fmt.Sprintf(format, args...))
}

// A need is something that a document must say.
type need struct {
	met     func(*document) bool
	add     func(*document) bool // false: there is no place for it
	instead string               // for somebody who adds it by hand
}

// edit meets the needs by text that is added, or else says them. A need that is not
// met by the result, or that would lose something, is left to somebody who can see it.
func (plan *Plan) edit(d *document, needs ...need) {
	for _, need := range needs {
		if need.met(d) {
			continue
		}
		before := slices.Clone(d.added)
		if !need.add(d) || !d.keeps() || !need.metBy(d) {
			d.added = before
			plan.byHand("%s: add\n%s", d.name, need.instead)
		}
	}
	if len(d.added) == 0 {
		return
	}
	plan.Files = append(plan.Files, File{Name: d.name, Text: d.edited(), What: "changed", Lines: d.newLines()})
}

func (n need) metBy(d *document) bool {
	edited, err := parse(d.name, []byte(d.edited()))
	return err == nil && n.met(edited)
}
