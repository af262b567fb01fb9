package deploy_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// schemasJSON has the schemas that Kubernetes publishes of the kinds used here, and that of the
// resource ServiceMonitor, without descriptions.
//
//go:embed testdata/schemas.json
var schemasJSON []byte

// operator is the version of prometheus-operator that the schema of ServiceMonitor is from.
const operator = "v0.85.0"

// kubernetes is the version of Kubernetes that the schemas are from: that of its Go types.
func kubernetes(t *testing.T) string {
	t.Helper()
	version := regexp.MustCompile(`\tk8s\.io/api v0\.(\S+)\n`).FindStringSubmatch(readFile(t, "go.mod"))
	if version == nil {
		t.Fatal("go.mod does not require k8s.io/api")
	}
	return "v1." + version[1]
}

var schemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	var has struct {
		Kinds map[string]any `json:"kinds"`
	}
	if err := json.Unmarshal(schemasJSON, &has); err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemasJSON))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4) // as OpenAPI 3.0
	if err := compiler.AddResource("schemas.json", document); err != nil {
		return nil, err
	}
	compiled := make(map[string]*jsonschema.Schema)
	for kind := range has.Kinds {
		if compiled[kind], err = compiler.Compile("schemas.json#/kinds/" + kind); err != nil {
			return nil, err
		}
	}
	return compiled, nil
})

func kindOf(is metav1.TypeMeta) string {
	return strings.ReplaceAll(is.APIVersion, "/", ".") + "." + is.Kind
}

// validate returns what a manifest, in JSON, lacks or has wrong by the schema of its kind.
func validate(is metav1.TypeMeta, manifest []byte) error {
	compiled, err := schemas()
	if err != nil {
		return err
	}
	schema, known := compiled[kindOf(is)]
	if !known {
		return fmt.Errorf("testdata/schemas.json has no schema of %s: add it to kinds, and run go test -run Schemas -update", kindOf(is))
	}
	object, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest))
	if err != nil {
		return err
	}
	return schema.Validate(object)
}

// kinds are those that manifests here have, by the file of Kubernetes' specification.
var kinds = map[string][]string{
	"api__v1":                     {"ConfigMap", "PersistentVolumeClaim", "Service", "ServiceAccount"},
	"apis__apps__v1":              {"Deployment"},
	"apis__networking.k8s.io__v1": {"NetworkPolicy"},
	"apis__policy__v1":            {"PodDisruptionBudget"},
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	from := fmt.Sprintf("Kubernetes %s and prometheus-operator %s", kubernetes(t), operator)
	if *update {
		writeSchemas(t, from)
		return
	}
	var has struct {
		From string `json:"from"`
	}
	if err := json.Unmarshal(schemasJSON, &has); err != nil || has.From != from {
		t.Errorf("testdata/schemas.json is from %s, %v, not from %s: run go test -run Schemas -update", has.From, err, from)
	}
	for name, manifest := range map[string]string{
		"a Deployment without a selector":    "{apiVersion: apps/v1, kind: Deployment, spec: {template: {}}}",
		"a container without a name":         "{apiVersion: apps/v1, kind: Deployment, spec: {selector: {}, template: {spec: {containers: [{image: ostiary}]}}}}",
		"a port without a number":            "{apiVersion: v1, kind: Service, spec: {ports: [{name: http}]}}",
		"a ServiceMonitor without endpoints": "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, spec: {selector: {}}}",
		"an interval that is none":           "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, spec: {selector: {}, endpoints: [{port: http, interval: often}]}}",
	} {
		var is metav1.TypeMeta
		text, err := yaml.YAMLToJSON([]byte(manifest))
		if err == nil {
			err = yaml.Unmarshal(text, &is)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(is, text); err == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

// writeSchemas writes testdata/schemas.json from the published modules.
func writeSchemas(t *testing.T, from string) {
	t.Helper()
	type object = map[string]any
	read := func(path string) (document object) {
		text, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(text, &document)
		}
		if err != nil {
			t.Fatal(err)
		}
		return document
	}
	named, definitions := make(object), make(object)
	all := make(object)
	var take func(name string)
	take = func(name string) {
		if definitions[name] != nil {
			return
		}
		definitions[name] = plain(all[name])
		text, _ := json.Marshal(definitions[name])
		for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			take(ref[1])
		}
	}
	specification := filepath.Join(download(t, "k8s.io/kubernetes@"+kubernetes(t)), "api", "openapi-spec", "v3")
	for file, wanted := range kinds {
		all = read(filepath.Join(specification, file+"_openapi.json"))["components"].(object)["schemas"].(object)
		for name, schema := range all {
			of, _ := schema.(object)["x-kubernetes-group-version-kind"].([]any)
			for _, kind := range wanted {
				if len(of) == 1 && of[0].(object)["kind"] == kind {
					take(name)
					version := strings.TrimPrefix(fmt.Sprintf("%s/%s", of[0].(object)["group"], of[0].(object)["version"]), "/")
					named[kindOf(metav1.TypeMeta{APIVersion: version, Kind: kind})] = object{"$ref": "#/components/schemas/" + name}
				}
			}
		}
	}
	resource := read(filepath.Join(download(t, "github.com/prometheus-operator/prometheus-operator@"+operator),
		"example", "prometheus-operator-crd", "monitoring.coreos.com_servicemonitors.yaml"))
	version := resource["spec"].(object)["versions"].([]any)[0].(object)
	named["monitoring.coreos.com."+version["name"].(string)+".ServiceMonitor"] = plain(version["schema"].(object)["openAPIV3Schema"])

	text, err := json.MarshalIndent(object{"from": from, "kinds": named, "components": object{"schemas": definitions}}, "", " ")
	if err == nil {
		err = os.WriteFile("testdata/schemas.json", append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// plain returns a schema without what does not decide whether something is valid.
func plain(schema any) any {
	switch s := schema.(type) {
	case map[string]any:
		kept := make(map[string]any)
		for key, value := range s {
			_, isText := value.(string)
			if !strings.HasPrefix(key, "x-") && (key != "description" || !isText) && key != "default" {
				kept[key] = plain(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(s))
		for i := range s {
			kept[i] = plain(s[i])
		}
		return kept
	default:
		return schema
	}
}

// download returns the folder of a module.
func download(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var has struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &has)
	}
	if err != nil {
		t.Fatalf("go mod download %s: %v\n%s", module, err, out)
	}
	return has.Dir
}
