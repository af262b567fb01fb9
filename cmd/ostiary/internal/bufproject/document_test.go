package bufproject

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestContains(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		after, before string
		want          bool
	}{
		{"equal documents", "a: [1, {b: 2}]", "a: [1, {b: 2}]", true},
		{"a new key", "a: 1\nb: 2", "a: 1", true},
		{"a new item before and after", "a: [0, 1, 2]", "a: [1]", true},
		{"a new key within an item", "a: [{b: 1, c: 2}]", "a: [{b: 1}]", true},
		{"a key that has gone", "b: 2", "a: 1", false},
		{"an item that has gone", "a: [1]", "a: [1, 2]", false},
		{"items in another order", "a: [2, 1]", "a: [1, 2]", false},
		{"another value", "a: 2", "a: 1", false},
		{"a mapping instead of a scalar", "a: {b: 1}", "a: 1", false},
		{"a scalar instead of a sequence", "a: 1", "a: []", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var after, before any
			if err := yaml.Unmarshal([]byte(test.after), &after); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(test.before), &before); err != nil {
				t.Fatal(err)
			}
			if got := contains(after, before); got != test.want {
				t.Errorf("contains is %t; want %t", got, test.want)
			}
		})
	}
}

func TestPluginsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		plugin        string
		isGo, isOther bool
	}{
		{"local: protoc-gen-go", true, false},
		{"local: bin/protoc-gen-connect-go.exe", true, false},
		{"local: [go, run, google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12]", true, false},
		{"local: [go, tool, protoc-gen-es]", false, true},
		{"local: protoc-gen-doc", false, false},
		{"remote: buf.build/protocolbuffers/go:v1.36.12", true, false},
		{"remote: buf.build/bufbuild/es", false, true},
		{"protoc_builtin: java", false, true},
		{"plugin: go-grpc", true, false},
		{"name: ts_proto", false, true},
		{"plugin: buf.build/grpc/go", true, false},
		{"out: go", false, false},
	}
	for _, test := range tests {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			d, err := parse("buf.gen.yaml", []byte(test.plugin))
			if err != nil {
				t.Fatal(err)
			}
			if got := generatesGo(d.root); got != test.isGo {
				t.Errorf("generatesGo is %t", got)
			}
			if got := generatesOther(d.root); got != test.isOther {
				t.Errorf("generatesOther is %t", got)
			}
		})
	}
}
