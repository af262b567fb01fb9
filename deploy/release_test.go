package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestTheProgramCompilesForEverySystemOfARelease checks the types of the program and of all
// tests for each system, as a compiler does, which takes seconds: to build them all takes
// minutes. Of other people's packages only the declarations are read. Processors make no
// difference to our code.
func TestTheProgramCompilesForEverySystemOfARelease(t *testing.T) {
	t.Parallel()
	systems := regexp.MustCompile(`(?m)^ +goos: \[(.*)\]$`).FindStringSubmatch(readFile(t, "../.goreleaser.yaml"))
	if systems == nil {
		t.Fatal(".goreleaser.yaml has no list goos")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	ours := root + string(filepath.Separator)
	for system := range strings.SplitSeq(systems[1], ", ") {
		loaded, err := packages.Load(&packages.Config{
			Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
				packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedTypesSizes,
			Dir:   filepath.Join(root, "cmd", "ostiary"),
			Env:   append(os.Environ(), "GOOS="+system, "GOARCH=arm64", "CGO_ENABLED=0", "GOWORK=auto"),
			Tests: true,
			ParseFile: func(files *token.FileSet, name string, source []byte) (*ast.File, error) {
				file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
				if file == nil || strings.HasPrefix(name, ours) {
					return file, err
				}
				for _, declared := range file.Decls {
					if function, ok := declared.(*ast.FuncDecl); ok {
						function.Body = nil
					}
				}
				return file, err
			},
		}, "./...", "github.com/ostiary/ostiary/...", "github.com/ostiary/ostiary/server/...")
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		packages.Visit(loaded, nil, func(p *packages.Package) {
			if strings.HasPrefix(p.PkgPath, "github.com/ostiary/ostiary") {
				checked++
			}
			for _, fault := range p.Errors {
				if strings.HasPrefix(fault.Pos, ours) {
					t.Errorf("%s: %s", system, fault)
				}
			}
		})
		if checked < 50 {
			t.Errorf("%s: %d packages were checked; want all of ours", system, checked)
		}
	}
}

// TestFilesOfPackagesExist has .goreleaser.yaml name files that are there, or that make
// packaging writes.
func TestFilesOfPackagesExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`(?:src|install|remove|-): ?([A-Za-z][\w./*-]*)|- (LICENSE|README\.md|CHANGELOG\.md)\n`).FindAllStringSubmatch(readFile(t, "../.goreleaser.yaml"), -1)
	found := 0
	for _, match := range named {
		name := match[1] + match[2]
		if strings.HasPrefix(name, "bin/packaging/") {
			continue
		}
		found++
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Error(err)
		}
	}
	if found < 8 {
		t.Errorf("%d files are named; want those of archives and packages", found)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
