// Command generate writes what is made from the schema and by none of the plugins of
// buf.gen.yaml: the lists of reasons in Go and TypeScript, and docs/api.md. Its
// argument is the schema as buf build writes it, with comments:
//
//	buf build -o bin/schema.binpb
//	go run ./internal/generate -out . bin/schema.binpb
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	out := flag.String("out", ".", "root of the repository, or where to write instead")
	flag.Parse()
	if err := run(*out, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out, schema string) error {
	files, err := read(schema)
	if err != nil {
		return err
	}
	reasons, err := readReasons(files)
	if err != nil {
		return err
	}
	goSource, err := reasons.goSource()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"interceptors/auth/reason_list.go": goSource,
		"web/client/src/reasons.ts":        reasons.typeScript(),
		"docs/api.md":                      document(files),
	} {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// read returns the files of ostiary, ordered by path.
func read(schema string) ([]protoreflect.FileDescriptor, error) {
	encoded, err := os.ReadFile(schema)
	if err != nil {
		return nil, err
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(encoded, set); err != nil {
		return nil, fmt.Errorf("%s: %w", schema, err)
	}
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", schema, err)
	}
	var files []protoreflect.FileDescriptor
	registry.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(file.Path(), "ostiary/") {
			files = append(files, file)
		}
		return true
	})
	if len(files) == 0 {
		return nil, errors.New(schema + ": no file of ostiary in it")
	}
	slices.SortFunc(files, func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) })
	return files, nil
}

// comment returns the comment of a declaration, without the space after each //.
func comment(d protoreflect.Descriptor) string {
	return unindent(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments)
}

func unindent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, " "), " ")
	}
	return strings.Join(lines, "\n")
}
