package bufproject

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
	"github.com/ostiary/ostiary/proto"
)

// TestDocsShowTheTestedFiles keeps the YAML of docs/schema.md equal to what the
// projects in testdata have after init.
func TestDocsShowTheTestedFiles(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(repository, "docs", "schema.md"))
	var shown []string
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		shown = append(shown, block[1])
	}
	tested := []string{
		read(t, filepath.Join("testdata", "v2", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v2-managed", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v1-managed", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v2-typescript", "after", "buf.gen.yaml")),
		read(t, filepath.Join("testdata", "v2", "after", "buf.yaml")),
	}
	if !slices.Equal(shown, tested) {
		t.Errorf("docs/schema.md shows\n%q\nand not the tested files\n%q", shown, tested)
	}
	faults := []string{missing}
	for _, project := range projects {
		faults = append(faults, project.broken)
	}
	for _, fault := range faults {
		if !strings.Contains(text, fault) {
			t.Errorf("docs/schema.md does not explain %q", fault)
		}
	}
}

var (
	protoBlock   = regexp.MustCompile("(?s)```proto\n(.*?)```\n")
	methodOf     = regexp.MustCompile(`rpc \w+\((\w+)\) returns \((\w+)\)`)
	tableRow     = regexp.MustCompile("(?m)^\\| .* \\| `((?:require|public|stream|handler_requires): .*)`(?: beside the access)? \\|$")
	conditionRow = regexp.MustCompile("`([^`\n]*(?:has\\(identity\\.| in identity\\.|identity\\.[^`\n]* == |\\.lowerAscii\\()[^`\n]*)`")
)

// TestTheLanguageOfRulesIsShownAsItIs has buf compile the schema of docs/policy.md, and
// with it a method for each row of its table and for each condition in its text. Every
// rule must be one with which a server starts.
func TestTheLanguageOfRulesIsShownAsItIs(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(repository, "docs", "policy.md"))
	block := protoBlock.FindStringSubmatch(text)
	rows, conditions := tableRow.FindAllStringSubmatch(text, -1), conditionRow.FindAllStringSubmatch(text, -1)
	if block == nil || len(rows) != 15 || len(conditions) < 7 {
		t.Fatalf("docs/policy.md shows %d rules in its table and %d conditions; want 15, and 7 at least", len(rows), len(conditions))
	}
	var schema strings.Builder
	schema.WriteString("syntax = \"proto3\";\npackage acme.invoice.v1;\n" + block[1])
	for _, method := range methodOf.FindAllStringSubmatch(block[1], -1) {
		fmt.Fprintf(&schema, "message %s { string organization_id = 1; }\nmessage %s {}\n", method[1], method[2])
	}
	schema.WriteString("message Request { string owner = 1; repeated string organization_ids = 2; }\nmessage Response {}\nservice Shown {\n")
	method := func(rule string) {
		fmt.Fprintf(&schema, "  rpc M%d(Request) returns (stream Response) { option (ostiary.policy.v1.rule) = {%s}; }\n", schema.Len(), rule)
	}
	for _, row := range rows {
		rule := row[1]
		if strings.HasPrefix(rule, "stream:") || strings.HasPrefix(rule, "handler_requires:") {
			rule += " authenticated: {}" // the access that it stands beside
		}
		method(rule)
	}
	for _, condition := range conditions {
		isFault := condition[1] == "identity.kind == 'robot'" // which the text says of it
		if !isFault && !strings.HasPrefix(condition[1], "require:") {
			method(fmt.Sprintf("require: {condition: %q}", condition[1]))
		}
	}
	schema.WriteString("}\n")

	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme", "invoice", "v1", "invoice.proto"), schema.String())
	write(t, filepath.Join(dir, filepath.FromSlash(proto.PolicyFile)), proto.Policy)
	if out, ok := run(t, dir, "buf", "build", "-o", "image.binpb"); !ok {
		t.Fatalf("%s: %s", schema.String(), out)
	}
	files, err := policydiff.ReadImage([]byte(read(t, filepath.Join(dir, "image.binpb"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.New(policy.Files(files...), condition.Enable()); err != nil {
		t.Errorf("%s: %v", schema.String(), err)
	}
}
