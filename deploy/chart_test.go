package deploy_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const chart = "helm/ostiary"

// example returns the values of an example of the chart, if one is named, changed by others.
func example(t *testing.T, name string, others map[string]any) map[string]any {
	t.Helper()
	if name == "" {
		return others
	}
	values, err := common.ReadValuesFile(filepath.Join(chart, "examples", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return loader.MergeMaps(values, others)
}

// render returns the files that helm template makes of the chart.
func render(values map[string]any) (map[string]string, error) {
	loaded, err := loader.Load(chart)
	if err != nil {
		return nil, err
	}
	scope, err := util.ToRenderValues(loaded, values, common.ReleaseOptions{Name: "ostiary", Namespace: "default", IsInstall: true, Revision: 1}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(loaded, scope)
	if err != nil {
		return nil, err
	}
	named := make(map[string]string)
	for name, text := range files {
		named[path.Base(name)] = text
	}
	return named, nil
}

// manifestsOf joins the files to what is sent to Kubernetes.
func manifestsOf(files map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if content := strings.TrimSpace(files[name]); content != "" && path.Ext(name) == ".yaml" {
			text.WriteString("---\n" + content + "\n")
		}
	}
	return text.String()
}

// Each documented set of values renders without a warning to what Kubernetes accepts, and the
// server accepts its settings.
func TestChart(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		kinds  string
		served string // by serve --check
	}{
		"development": {"ConfigMap Deployment NetworkPolicy PersistentVolumeClaim Service ServiceAccount", "database in "},
		"production":  {"ConfigMap Deployment NetworkPolicy PodDisruptionBudget Service ServiceAccount ServiceMonitor", "database PostgreSQL"},
		"relay":       {"ConfigMap Deployment NetworkPolicy PodDisruptionBudget Service ServiceAccount ServiceMonitor", "follows https://api.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := example(t, name, nil)
			for _, message := range lint.RunAll(chart, values, "default").Messages {
				if message.Severity >= support.WarningSev {
					t.Error(message)
				}
			}
			files, err := render(values)
			if err != nil {
				t.Fatal(err)
			}
			if notes := files["NOTES.txt"]; !strings.Contains(notes, "kubectl -n default rollout status deployment/ostiary") {
				t.Errorf("the notes are %q", notes)
			}
			rendered := decode(t, manifestsOf(files))
			if kinds := rendered.kinds(); kinds != want.kinds {
				t.Errorf("renders %s; want %s", kinds, want.kinds)
			}
			rendered.checkTogether(t)
			rendered.checkConfined(t)
			if out := strings.Join(strings.Fields(rendered.serve(t, "--check").output(t)), " "); !strings.Contains(out, want.served) {
				t.Errorf("serve --check prints %s; want %q", out, want.served)
			}
		})
	}
}

// What cannot work is refused before anything is installed, and the message says what to do.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		example string
		others  string
		want    string
	}{
		"several servers with SQLite":    {"development", "replicas: 2", "set postgresql.secret, or settings.follow"},
		"no issuer":                      {"", "replicas: 1", "settings.issuers is missing"},
		"an empty list of issuers":       {"development", "settings: {issuers: []}", "/settings/issuers"},
		"a relay with a database":        {"relay", "postgresql: {secret: db}", "remove postgresql.secret, or settings.follow"},
		"a mistyped value":               {"development", "replica: 2", "additional properties 'replica' not allowed"},
		"a setting that the chart makes": {"development", "settings: {admin_addr: none}", "settings.admin_addr is set by the chart"},
		"a secret among the settings":    {"production", "settings: {feed_secret: x}", "settings.feed_secret is a secret"},
		"a secret of an issuer":          {"development", "settings: {issuers: [{url: https://clerk.example.com, secret_key: x}]}", "settings.issuers.0.secret_key is a secret"},
		"a secret of signals":            {"development", "settings: {signals: [{name: clerk, secrets: [x]}]}", "settings.signals.0.secrets is a secret"},
		"a secret variable":              {"development", "env: {CLERK_SECRET_KEY: x}", "env.CLERK_SECRET_KEY is a secret"},
		"the database's password":        {"production", "env: {PGPASSWORD: x}", "env.PGPASSWORD is a secret"},
		"the database's URL":             {"development", "env: {DATABASE_URL: postgres://ostiary:x@db/app}", "env.DATABASE_URL is a secret"},
		"a variable that the chart has":  {"development", "env: {OSTIARY_ADMIN_ADDR: none}", "env.OSTIARY_ADMIN_ADDR is set by the chart"},
		"volumes by another way":         {"development", "pod: {volumes: []}", "volumes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others := make(map[string]any)
			if err := yaml.Unmarshal([]byte(row.others), &others); err != nil {
				t.Fatal(err)
			}
			if _, err := render(example(t, row.example, others)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v; want %q", err, row.want)
			}
		})
	}
}

// Values that YAML would read as something else, or that are more than a label may be, come
// out as they went in.
func TestChartKeepsValues(t *testing.T) {
	t.Parallel()
	files, err := render(example(t, "production", map[string]any{
		"postgresql": map[string]any{"secret": "1234", "key": "uri, optional: true"},
		"secrets":    []any{"5678"},
		"tls":        map[string]any{"secret": "1e3"},
		"env":        map[string]any{"FEED_SECRET_FILE": "/run/feed", "GODEBUG": true},
		"image":      map[string]any{"tag": "1.2.3@sha256:" + strings.Repeat("0", 64)},
	}))
	if err != nil {
		t.Fatal(err)
	}
	rendered := decode(t, manifestsOf(files))
	pod := rendered.deployment.Spec.Template
	container := pod.Spec.Containers[0]
	if key := container.Env[0].ValueFrom.SecretKeyRef; key.Name != "1234" || key.Key != "uri, optional: true" || key.Optional != nil {
		t.Errorf("the database's URL is in %+v", key)
	}
	if name := container.EnvFrom[0].SecretRef.Name; name != "5678" {
		t.Errorf("the variables come from the Secret %q", name)
	}
	if volumes := pod.Spec.Volumes; !slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == "1e3" }) {
		t.Errorf("no volume has the Secret 1e3: %+v", volumes)
	}
	if !strings.Contains(container.Image, ":1.2.3@sha256:0") || pod.Labels["app.kubernetes.io/version"] != "1.2.3" {
		t.Errorf("the image is %q, of version %q", container.Image, pod.Labels["app.kubernetes.io/version"])
	}
}

// The rendered server answers the probes, and ends within the time that Kubernetes gives it.
func TestChartServes(t *testing.T) {
	t.Parallel()
	files, err := render(example(t, "development", map[string]any{"drainSeconds": 1, "shutdownSeconds": 2}))
	if err != nil {
		t.Fatal(err)
	}
	rendered := decode(t, manifestsOf(files))
	server := rendered.serve(t)
	admin := server.admin(t)
	container := rendered.deployment.Spec.Template.Spec.Containers[0]
	if status := get(t, "http://"+admin+container.LivenessProbe.HTTPGet.Path); status != 200 {
		t.Errorf("the liveness probe is answered with %d", status)
	}
	if status := get(t, "http://"+admin+container.ReadinessProbe.HTTPGet.Path); status != 503 { // the issuer is not reached
		t.Errorf("the readiness probe of a server without keys is answered with %d", status)
	}
	grace := time.Duration(*rendered.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	server.terminate(t, grace)
}

func TestTheExamplesAreShipped(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob(chart + "/examples/*.yaml")
	if err != nil || len(examples) < 3 {
		t.Fatalf("%q, %v", examples, err)
	}
	for _, name := range examples {
		if !strings.Contains(string(page), "](../deploy/"+filepath.ToSlash(name)+")") {
			t.Errorf("docs/deployment.md does not link to %s", name)
		}
	}
}
