package bufproject

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// generatesGo reports whether a plugin writes Go.
func generatesGo(plugin *yaml.Node) bool {
	return slices.Contains(pluginWords(plugin), "go")
}

// generatesOther reports whether a plugin writes a language in which code imports the
// code of what a schema imports.
func generatesOther(plugin *yaml.Node) bool {
	words := pluginWords(plugin)
	return slices.ContainsFunc([]string{
		"es", "js", "ts", "typescript", "python", "pyi", "java", "kotlin", "csharp", "cpp", "ruby", "php", "swift", "dart", "objc", "prost", "scala",
	}, func(language string) bool { return slices.Contains(words, language) })
}

// pluginWords returns the parts of a plugin's name: connect and go of connect-go, of
// protoc-gen-connect-go, and of buf.build/connectrpc/connect-go:v1.
func pluginWords(plugin *yaml.Node) []string {
	var names []string
	for _, key := range []string{"local", "remote", "protoc_builtin", "plugin", "name"} {
		value := find(plugin, key)
		for _, word := range scalars(value) {
			// A command has more words, such as go tool.
			if value.Kind == yaml.ScalarNode || strings.Contains(word, "protoc-gen-") {
				names = append(names, word)
			}
		}
	}
	var words []string
	for _, name := range names {
		name = path.Base(strings.ReplaceAll(name, `\`, "/"))
		name, _, _ = strings.Cut(name, ":")
		name, _, _ = strings.Cut(name, "@")
		name = strings.TrimPrefix(strings.TrimSuffix(name, ".exe"), "protoc-gen-")
		words = append(words, strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' })...)
	}
	return words
}
