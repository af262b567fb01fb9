package server

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var alertName = regexp.MustCompile(`\bOstiary[A-Z][A-Za-z]+`)

// The page for incidents has an entry for each alert that wakes somebody, and names no other alert.
func TestAlertsThatWakeSomebodyAreExplained(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/incidents.md")
	if err != nil {
		t.Fatal(err)
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert  string
				Labels struct{ Severity string }
			}
		}
	}
	if err := yaml.Unmarshal(rules, &alerts); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			names[rule.Alert] = true
			if rule.Labels.Severity == "critical" && !strings.Contains(string(page), "`"+rule.Alert+"`") {
				t.Errorf("docs/incidents.md does not say what to do about %s", rule.Alert)
			}
		}
	}
	for _, named := range alertName.FindAllString(string(page), -1) {
		if !names[named] {
			t.Errorf("docs/incidents.md names the alert %s, which deploy/prometheus/alerts.yaml does not have", named)
		}
	}
}
