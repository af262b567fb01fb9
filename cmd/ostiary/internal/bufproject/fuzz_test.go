package bufproject

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Whatever buf's files are, nothing of them is lost, and what was added is found again.
func FuzzPlan(f *testing.F) {
	f.Add("version: v2\nmodules:\n  - path: proto\n", "version: v2\nmanaged:\n  enabled: true\nplugins:\n  - local: protoc-gen-go\n    out: gen\n")
	f.Add("version: v2\nlint:\n  use: [STANDARD]\nplugins:\n- plugin: x", "version: v2\ninputs:\n- directory: proto\n  exclude_paths: [ 'a' ]\nplugins: [{local: protoc-gen-go}]\nmanaged: {enabled: true, disable: [{path: x}]}")
	f.Add("version: v1", "version: v1\nmanaged:\n  enabled: true\n  override: &x\n    GO_PACKAGE: {}\nplugins:\n  - plugin: go\n")
	f.Add("version: v2\r\nlint:\r\n  use:\r\n  - &a STANDARD\r\n", "version: v2\nplugins:\n  - local: |\n      protoc-gen-go\n...\n")
	f.Fuzz(func(t *testing.T, config, template string) {
		before := map[string]string{"buf.yaml": config, "buf.gen.yaml": template}
		plan, err := planOf(before)
		if err != nil {
			return
		}
		after := map[string]string{"buf.yaml": config, "buf.gen.yaml": template}
		for _, file := range plan.Files {
			after[file.Name] = file.Text
			if old := before[file.Name]; old != "" && !isSubsequence(old, file.Text) {
				t.Errorf("%s has lost something:\n%s\n-- is now --\n%s", file.Name, old, file.Text)
			}
		}
		again, err := planOf(after)
		if err != nil {
			t.Fatalf("%v\n%q", err, after)
		}
		for _, file := range again.Files {
			if file.Name != plan.Schema {
				t.Errorf("%s is changed again:\n%s", file.Name, file.Text)
			}
		}
		if len(again.ByHand) != len(plan.ByHand) {
			t.Errorf("by hand was %q, and is now %q", plan.ByHand, again.ByHand)
		}
	})
}

func planOf(files map[string]string) (*Plan, error) {
	folder := make(fstest.MapFS)
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	project, err := Open(folder)
	if err != nil {
		return nil, err
	}
	return project.Plan(Options{Version: "v1.2.3"})
}

// isSubsequence reports whether text is old with more between its characters.
func isSubsequence(old, text string) bool {
	for i := range len(old) {
		at := strings.IndexByte(text, old[i])
		if at < 0 {
			return false
		}
		text = text[at+1:]
	}
	return true
}
