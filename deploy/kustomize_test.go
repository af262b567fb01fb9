package deploy_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

var update = flag.Bool("update", false, "write the manifests for kustomize anew from the chart")

// The manifests for kustomize are those of the chart, without what is Helm's: kustomize makes
// the ConfigMap itself, so that other settings restart the servers there too.
func TestKustomize(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]any{
		"sqlite":     example(t, "development", nil),
		"postgresql": example(t, "production", map[string]any{"serviceMonitor": map[string]any{"enabled": false}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("kubernetes", name)
			files, err := render(values)
			if err != nil {
				t.Fatal(err)
			}
			settings := decode(t, files["settings.yaml"]).settings.Data["ostiary.yaml"]
			delete(files, "settings.yaml")
			text := regexp.MustCompile(`(?m)^ +annotations:\n +checksum/settings: .*\n`).ReplaceAllString(manifestsOf(files), "")
			text = regexp.MustCompile(`(?m)^ +annotations: \{helm\.sh/.*\n`).ReplaceAllString(text, "")
			if strings.Contains(text, "checksum") || strings.Contains(text, "helm") {
				t.Errorf("something of Helm's is left in\n%s", text)
			}
			const header = "# Written from the chart in deploy/helm by: go test -run Kustomize -update\n"
			golden(t, filepath.Join(dir, "manifests.yaml"), header+text)
			golden(t, filepath.Join(dir, "ostiary.yaml"), header+settings)

			built := decode(t, kustomize(t, dir))
			built.checkTogether(t)
			built.checkConfined(t)
			built.serve(t, "--check").output(t)
			checkSettingsVolume(t, built)
		})
	}
}

// golden compares a file with what it should be, or writes it.
func golden(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what the chart renders, %v: run go test -run Kustomize -update in deploy, and commit the result", path, err)
	}
}

// kustomize is kustomize build.
func kustomize(t *testing.T, dir string) string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkSettingsVolume checks that the pods get the ConfigMap of this very content.
func checkSettingsVolume(t *testing.T, m *manifests) {
	t.Helper()
	for _, volume := range m.deployment.Spec.Template.Spec.Volumes {
		if volume.ConfigMap != nil && volume.ConfigMap.Name == m.settings.Name && strings.HasPrefix(m.settings.Name, "ostiary-") {
			return
		}
	}
	t.Errorf("no volume has the ConfigMap %s", m.settings.Name)
}

// The overlay in docs/deployment.md builds, with settings of its own.
func TestKustomizeOverlay(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(# kustomization.yaml\n.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/deployment.md has no kustomization.yaml")
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Rel(dir, here)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"kustomization.yaml": regexp.MustCompile(`https://github\.com/ostiary/ostiary//deploy/(\S+)\?ref=\S+`).ReplaceAllString(string(block[1]), base+"/$1"),
		"ostiary.yaml":       "issuers: [{url: https://clerk.example.org, authorized_parties: [https://notes.example.org]}]\nadmin_addr: :9464\ndrain_delay: 5s\nshutdown_timeout: 10s\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built := decode(t, kustomize(t, dir))
	built.checkTogether(t)
	checkSettingsVolume(t, built)
	if out := built.serve(t, "--check").output(t); !strings.Contains(out, "https://clerk.example.org") {
		t.Errorf("serve --check prints\n%s", out)
	}
	if container := built.deployment.Spec.Template.Spec.Containers[0]; built.deployment.Namespace != "ostiary" || container.Image != "ghcr.io/ostiary/ostiary:1.0.0" {
		t.Errorf("namespace %q, image %q", built.deployment.Namespace, container.Image)
	}
}
