package bufproject

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ostiary/ostiary/proto"
)

// planTemplate makes a buf.gen.yaml leave the schema's Go code to the library: its
// package stays what the schema says, and no second code is generated for it.
func (p *Project) planTemplate(plan *Plan, template *document) {
	plugins := items(find(template.root, "plugins"))
	if !slices.ContainsFunc(plugins, generatesGo) {
		return // other languages need code of their own for the schema
	}
	managed := scalar(find(template.root, "managed", "enabled")) == "true"
	switch template.version() {
	case "v2":
		needs := []need{p.excluded(plan.Schema)}
		if managed {
			needs = append(needs, packageKept())
		}
		plan.edit(template, needs...)
		for _, plugin := range plugins {
			if generatesOther(plugin) && scalar(find(plugin, "include_imports")) != "true" {
				plan.byHand("%s, line %d: this plugin needs code for the imported schema: add\n  include_imports: true", template.name, plugin.Line)
			}
		}
	case "v1":
		if managed {
			plan.edit(template, packageOverridden())
		}
		exclude := "--exclude-path " + path.Dir(plan.Schema)
		if slices.ContainsFunc(plugins, generatesOther) {
			plan.byHand("%s: only a v2 template can say what not to generate: update it with buf config migrate and repeat this command, or split it, and run buf generate with %s for Go alone", template.name, exclude)
		} else {
			if template.name == "buf.gen.yaml" {
				plan.Exclude = path.Dir(plan.Schema)
			}
			plan.byHand("%s: only a v2 template can say what not to generate: run\n  buf generate %s\nor update it with buf config migrate and repeat this command", template.name, exclude)
		}
	default:
		plan.byHand("%s: version %q is not known here: update the file with buf config migrate, or update ostiary", template.name, template.version())
	}
}

// excluded is that no code is generated for the schema.
func (p *Project) excluded(schema string) need {
	folder := path.Dir(schema)
	included := func(input *yaml.Node) bool {
		of, only := scalar(find(input, "directory")), scalars(find(input, "paths"))
		return of != "" && covers([]string{of}, schema) && (len(only) == 0 || covers(only, schema)) &&
			!covers(scalars(find(input, "exclude_paths")), schema)
	}
	lines := []string{"inputs:", "  - directory: " + p.input, "    exclude_paths: [" + folder + "]"}
	return need{
		met: func(d *document) bool {
			inputs := find(d.root, "inputs")
			return inputs != nil && inputs.Kind == yaml.SequenceNode && !slices.ContainsFunc(items(inputs), included)
		},
		add: func(d *document) bool {
			inputs := find(d.root, "inputs")
			if inputs == nil {
				return d.addAtEnd(lines...)
			}
			for _, input := range items(inputs) {
				if !included(input) {
					continue
				}
				if paths := find(input, "exclude_paths"); paths != nil {
					if !d.addItem(paths, folder) {
						return false
					}
					continue
				}
				key, _ := entry(input, "directory")
				if !isBlock(input) {
					return false
				}
				d.addBelow(key.Line, key.Column-1, "exclude_paths: ["+folder+"]")
			}
			return true
		},
		instead: "  " + strings.Join(lines, "\n  "),
	}
}

// packageKept is that managed mode, version 2, leaves the schema's go_package.
func packageKept() need {
	item := []string{"- file_option: go_package", "  path: " + path.Dir(proto.PolicyFile)}
	return need{
		met: func(d *document) bool {
			return slices.ContainsFunc(items(find(d.root, "managed", "disable")), func(rule *yaml.Node) bool {
				option, of := scalar(find(rule, "file_option")), scalar(find(rule, "path"))
				return (option == "" || option == "go_package") && find(rule, "field_option") == nil &&
					find(rule, "module") == nil && find(rule, "field") == nil &&
					(of == "" || covers([]string{of}, proto.PolicyFile))
			})
		},
		add: func(d *document) bool {
			return d.addToEntry(find(d.root, "managed"), "enabled", "disable", item...)
		},
		instead: "  managed:\n    disable:\n      " + strings.Join(item, "\n      "),
	}
}

// packageOverridden is the same for version 1, which names each file.
func packageOverridden() need {
	line := proto.PolicyFile + ": " + goPackage()
	return need{
		met: func(d *document) bool {
			return scalar(find(d.root, "managed", "override", "GO_PACKAGE", proto.PolicyFile)) == goPackage()
		},
		add: func(d *document) bool {
			managed := find(d.root, "managed")
			override := find(managed, "override")
			if override == nil {
				return d.addToEntry(managed, "enabled", "override", "GO_PACKAGE:", "  "+line)
			}
			if find(override, "GO_PACKAGE") == nil {
				return d.addToEntry(managed, "enabled", "override", "GO_PACKAGE:", "  "+line)
			}
			return d.addToEntry(override, "", "GO_PACKAGE", line)
		},
		instead: "  managed:\n    override:\n      GO_PACKAGE:\n        " + line,
	}
}
