package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// readDoc returns a file of the repository.
func readDoc(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryReasonOfTheServicesIsDocumented(t *testing.T) {
	t.Parallel()
	doc := readDoc(t, "docs", "troubleshooting.md")
	values := errorv1.Reason(0).Descriptor().Values()
	services := 0
	for i := range values.Len() {
		value := values.Get(i)
		detail, _ := proto.GetExtension(value.Options(), errorv1.E_ReasonDetail).(*errorv1.ReasonDetail)
		if !detail.GetByService() {
			continue
		}
		services++
		row := fmt.Sprintf("</a>%s, %d |", strings.TrimPrefix(string(value.Name()), "REASON_"), connectStatus[detail.GetCode()])
		if !strings.Contains(doc, row) {
			t.Errorf("docs/troubleshooting.md has no row with %q", row)
		}
	}
	if services != 9 {
		t.Errorf("%d reasons; want 9", services)
	}
}

// connectStatus has the HTTP status that the Connect protocol gives each code.
var connectStatus = map[errorv1.StatusCode]int{
	errorv1.StatusCode_STATUS_CODE_INVALID_ARGUMENT: 400, errorv1.StatusCode_STATUS_CODE_FAILED_PRECONDITION: 400,
	errorv1.StatusCode_STATUS_CODE_OUT_OF_RANGE: 400, errorv1.StatusCode_STATUS_CODE_NOT_FOUND: 404,
	errorv1.StatusCode_STATUS_CODE_RESOURCE_EXHAUSTED: 429, errorv1.StatusCode_STATUS_CODE_UNAVAILABLE: 503,
}

// The rules of settings files in docs/policy.md are read as they are shown.
func TestExamplesOfRulesAreValid(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"docs/configuration.md": settings.Documentation(),
		"docs/policy.md":        readDoc(t, "docs", "policy.md"),
	} {
		_, rest, found := strings.Cut(doc, "```yaml\nrules:\n")
		example, _, _ := strings.Cut(rest, "```")
		if !found {
			t.Errorf("%s shows no rules", name)
			continue
		}
		file := filepath.Join(t.TempDir(), "ostiary.yaml")
		if err := os.WriteFile(file, []byte("rules:\n"+example), 0o600); err != nil {
			t.Fatal(err)
		}
		rules, err := settings.RulesInForce(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		configured := make(map[string]bool)
		for _, entry := range rules.Entries() {
			if entry.Origin.Source == policy.SourceSettings {
				configured[cmp.Or(entry.Origin.Service, entry.Procedure)] = true
			}
		}
		if len(configured) != 2 {
			t.Errorf("%s: %d rules are in force; 2 are shown", name, len(configured))
		}
	}
}
