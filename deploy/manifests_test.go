package deploy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// manifests are what is sent to Kubernetes, by kind.
type manifests struct {
	all        []runtime.Object
	deployment *appsv1.Deployment
	settings   *corev1.ConfigMap
	services   []*corev1.Service
	monitor    *monitoringv1.ServiceMonitor
	selectors  map[string]*metav1.LabelSelector // of pods, by the kind of whose they are
}

// decode reads manifests as an API server with strict validation does: fields that Kubernetes
// does not have, or that come twice, are faults, as are what the schemas of Kubernetes do not
// allow and a kind that is not listed here.
func decode(t *testing.T, text string) *manifests {
	t.Helper()
	m := &manifests{selectors: make(map[string]*metav1.LabelSelector)}
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimSpace(document)) > 0 {
			m.add(t, document)
		}
	}
}

func (m *manifests) add(t *testing.T, document []byte) {
	t.Helper()
	var is metav1.TypeMeta
	if err := yaml.Unmarshal(document, &is); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	into := func(object runtime.Object) {
		t.Helper()
		text, err := yaml.YAMLToJSONStrict(document)
		var unknown []error
		if err == nil {
			unknown, err = json.UnmarshalStrict(text, object)
		}
		if err = errors.Join(append(unknown, err, validate(is, text))...); err != nil {
			t.Errorf("%s: %v", is.Kind, err)
		}
		m.all = append(m.all, object)
	}
	switch is.APIVersion + " " + is.Kind {
	case "apps/v1 Deployment":
		m.deployment = new(appsv1.Deployment)
		into(m.deployment)
		m.selectors[is.Kind] = m.deployment.Spec.Selector
	case "v1 ConfigMap":
		m.settings = new(corev1.ConfigMap)
		into(m.settings)
	case "v1 Service":
		service := new(corev1.Service)
		into(service)
		m.services = append(m.services, service)
		m.selectors[is.Kind+" "+service.Name] = &metav1.LabelSelector{MatchLabels: service.Spec.Selector}
	case "v1 ServiceAccount":
		into(new(corev1.ServiceAccount))
	case "v1 PersistentVolumeClaim":
		into(new(corev1.PersistentVolumeClaim))
	case "policy/v1 PodDisruptionBudget":
		budget := new(policyv1.PodDisruptionBudget)
		into(budget)
		m.selectors[is.Kind] = budget.Spec.Selector
	case "networking.k8s.io/v1 NetworkPolicy":
		policy := new(networkingv1.NetworkPolicy)
		into(policy)
		m.selectors[is.Kind] = &policy.Spec.PodSelector
	case "monitoring.coreos.com/v1 ServiceMonitor":
		m.monitor = new(monitoringv1.ServiceMonitor)
		into(m.monitor)
	default:
		t.Errorf("no test knows %s %s", is.APIVersion, is.Kind)
	}
}

func (m *manifests) kinds() string {
	var kinds []string
	for _, object := range m.all {
		kinds = append(kinds, object.GetObjectKind().GroupVersionKind().Kind)
	}
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), " ")
}

// checkTogether checks that what names something else names what is there.
func (m *manifests) checkTogether(t *testing.T) {
	t.Helper()
	template := m.deployment.Spec.Template
	container := template.Spec.Containers[0]
	for whose, selector := range m.selectors {
		selects, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || selects.Empty() || !selects.Matches(labels.Set(template.Labels)) {
			t.Errorf("%s selects %v, %v; the pods have %v", whose, selects, err, template.Labels)
		}
	}
	ports := make(map[string]int32)
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	for _, service := range m.services {
		for _, port := range service.Spec.Ports {
			if ports[port.TargetPort.String()] != port.Port {
				t.Errorf("service %s: port %s is %d, and %s of the pods is %d", service.Name, port.Name, port.Port, port.TargetPort.String(), ports[port.TargetPort.String()])
			}
		}
	}
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if port := probe.HTTPGet.Port.String(); ports[port] != 9464 {
			t.Errorf("a probe asks port %q", port)
		}
	}
	for _, mount := range container.VolumeMounts {
		if !slices.ContainsFunc(template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) {
			t.Errorf("there is no volume %s", mount.Name)
		}
	}
	if m.monitor != nil {
		selects, err := metav1.LabelSelectorAsSelector(&m.monitor.Spec.Selector)
		var found []string
		for _, service := range m.services {
			if selects.Matches(labels.Set(service.Labels)) {
				found = append(found, service.Spec.Ports[0].Name)
			}
		}
		if err != nil || !slices.Equal(found, []string{m.monitor.Spec.Endpoints[0].Port}) {
			t.Errorf("the ServiceMonitor finds the ports %q, %v", found, err)
		}
	}
	m.checkStop(t)
}

// checkStop checks that a pod is given the time which its server takes to stop.
func (m *manifests) checkStop(t *testing.T) {
	t.Helper()
	var settings struct {
		AdminAddr       string `json:"admin_addr"`
		DrainDelay      string `json:"drain_delay"`
		ShutdownTimeout string `json:"shutdown_timeout"`
	}
	if err := yaml.Unmarshal([]byte(m.settings.Data["ostiary.yaml"]), &settings); err != nil {
		t.Fatal(err)
	}
	drain, err := time.ParseDuration(settings.DrainDelay)
	stop, err2 := time.ParseDuration(settings.ShutdownTimeout)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	grace := time.Duration(*m.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if grace <= drain+stop {
		t.Errorf("Kubernetes kills after %v a server that may take %v and %v to stop", grace, drain, stop)
	}
	if !regexp.MustCompile(`^:9464$`).MatchString(settings.AdminAddr) {
		t.Errorf("admin_addr is %q, where no probe comes", settings.AdminAddr)
	}
}

// checkConfined checks that the server has no rights that it does not need.
func (m *manifests) checkConfined(t *testing.T) {
	t.Helper()
	pod := m.deployment.Spec.Template.Spec
	own := pod.Containers[0].SecurityContext
	switch {
	case !*pod.SecurityContext.RunAsNonRoot, *pod.SecurityContext.RunAsUser != 65532,
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
		*own.AllowPrivilegeEscalation, !*own.ReadOnlyRootFilesystem, !slices.Equal(own.Capabilities.Drop, []corev1.Capability{"ALL"}):
		t.Errorf("the pod may do more than it needs: %+v, %+v", pod.SecurityContext, own)
	}
	if *pod.AutomountServiceAccountToken {
		t.Error("the pod has a token of the cluster")
	}
	if memory := pod.Containers[0].Resources.Limits.Memory(); memory.IsZero() {
		t.Error("the memory has no limit, so the bounds on streams and connections do not follow from it")
	}
}
