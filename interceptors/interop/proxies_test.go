package interop

import (
	"encoding/json"
	"os"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // each for an Any of envoy.yaml
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// Envoy and Traefik do not run in tests. That Envoy's schema has every field of its file, and
// takes the values, is the most that can be said of it here.
func TestTheFileOfEnvoyIsOfItsSchema(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(readYAML(t, "envoy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := new(bootstrapv3.Bootstrap)
	if err := protojson.Unmarshal(text, bootstrap); err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.ValidateAll(); err != nil {
		t.Error(err)
	}
}

func TestTheRoutersOfTraefikHaveTheirServices(t *testing.T) {
	t.Parallel()
	http, _ := readYAML(t, "traefik.yaml")["http"].(map[string]any)
	routers, _ := http["routers"].(map[string]any)
	services, _ := http["services"].(map[string]any)
	if len(routers) != 2 {
		t.Fatalf("the routers are %v", routers)
	}
	for name, router := range routers {
		service, _ := router.(map[string]any)["service"].(string)
		if services[service] == nil {
			t.Errorf("%s has no service %q", name, service)
		}
	}
}

func readYAML(t *testing.T, name string) (content map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/proxies/" + name)
	if err == nil {
		err = yaml.Unmarshal(text, &content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return content
}
