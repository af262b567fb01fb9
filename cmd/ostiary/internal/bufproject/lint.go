package bufproject

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	lintPlugin   = "buf-plugin-ostiary"
	lintCategory = "OSTIARY"
)

// lint makes buf lint ask for a rule on every RPC.
func (plan *Plan) lint(config *document) {
	if config.version() != "v2" {
		plan.byHand("%s: only a v2 configuration can have lint plugins: update it with buf config migrate and repeat this command", config.name)
		return
	}
	plan.Lints = true
	needs := []need{pluginUsed()}
	// A module's own lint takes the place of the common one.
	lints := []func(*document) *yaml.Node{func(d *document) *yaml.Node { return find(d.root, "lint", "use") }}
	for i := range items(find(config.root, "modules")) {
		lints = append(lints, func(d *document) *yaml.Node {
			if modules := items(find(d.root, "modules")); i < len(modules) {
				return find(modules[i], "lint", "use")
			}
			return nil
		})
	}
	for _, use := range lints {
		needs = append(needs, categoryUsed(use))
	}
	plan.edit(config, needs...)
}

// pluginUsed is that buf runs the plugin.
func pluginUsed() need {
	return need{
		met: func(d *document) bool {
			return slices.ContainsFunc(items(find(d.root, "plugins")), func(plugin *yaml.Node) bool {
				return slices.ContainsFunc(scalars(find(plugin, "plugin")), func(word string) bool { return strings.Contains(word, lintPlugin) })
			})
		},
		add: func(d *document) bool {
			if find(d.root, "plugins") == nil {
				return d.addAtEnd("plugins:", "  - plugin: "+lintPlugin)
			}
			return d.addToEntry(d.root, "", "plugins", "- plugin: "+lintPlugin)
		},
		instead: "  plugins:\n    - plugin: " + lintPlugin,
	}
}

// categoryUsed is that a list of rules to use, if there is one, has the plugin's.
func categoryUsed(use func(*document) *yaml.Node) need {
	return need{
		met: func(d *document) bool {
			rules := scalars(use(d))
			return len(rules) == 0 || slices.ContainsFunc(rules, func(rule string) bool { return strings.HasPrefix(rule, lintCategory) })
		},
		add:     func(d *document) bool { return d.addItem(use(d), lintCategory) },
		instead: "  lint:\n    use: [" + lintCategory + "]",
	}
}
