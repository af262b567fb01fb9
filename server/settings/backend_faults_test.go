package settings

import (
	"strings"
	"testing"
)

func TestFaultsOfBackends(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		backend Backend
		setting string
		want    string
	}{
		"no name":                         {Backend{Reflection: "https://b.example"}, "backends[1].name", "missing; give the backend a name that people know it by"},
		"the name of another":             {Backend{Name: "first", Reflection: "https://b.example"}, "backends[1].name", "first is backends[0] already; choose another name"},
		"a name that nobody can see":      {Backend{Name: "a\u202eb", Reflection: "https://b.example"}, "backends[1].name", "has characters that nobody can see; write letters, digits and single spaces"},
		"a name as long as a book":        {Backend{Name: strings.Repeat("a", 101), Reflection: "https://b.example"}, "backends[1].name", "longer than 100 characters, or no text; choose a short name"},
		"no schema":                       {Backend{Name: "b"}, "backends[1]", "nothing says where its schema is; set image to a file that buf build -o has made, or reflection to the URL of the gRPC server"},
		"an image and reflection":         {Backend{Name: "b", Image: "x", Reflection: "https://b.example"}, "backends[1].reflection", "an image is given, too; remove one of the two"},
		"reflection in the clear":         {Backend{Name: "b", Reflection: "http://b.example"}, "backends[1].reflection", "it is not https"},
		"reflection below a path":         {Backend{Name: "b", Reflection: "https://b.example/api"}, "backends[1].reflection", "it has a path, and gRPC knows none; name the server alone, such as https://billing.example.com"},
		"reflection without a scheme":     {Backend{Name: "b", Reflection: "b.example:9090"}, "backends[1].reflection", "it is not a URL"},
		"a URL in the clear":              {Backend{Name: "b", Reflection: "https://b.example", URL: "http://b.example"}, "backends[1].url", "it is not https"},
		"a URL with a user":               {Backend{Name: "b", Reflection: "https://b.example", URL: "https://u@b.example"}, "backends[1].url", "it is not a URL"},
		"a URL with a query":              {Backend{Name: "b", Reflection: "https://b.example", URL: "https://b.example/?a"}, "backends[1].url", "it has a query"},
		"a URL that ends a directive":     {Backend{Name: "b", Reflection: "https://b.example", URL: "https://b.example;"}, "backends[1].url", "its host is not one of DNS, nor an address"},
		"a URL with a wildcard":           {Backend{Name: "b", Reflection: "https://b.example", URL: "https://*.example"}, "backends[1].url", "its host is not one of DNS, nor an address"},
		"a URL that is code in a snippet": {Backend{Name: "b", Reflection: "https://b.example", URL: "https://b.example/$(id)"}, "backends[1].url", "its path has other characters than letters, digits and - . _ ~"},
	} {
		config := Config{Issuers: []Issuer{{URL: "https://clerk.example.com", AllowAnyAudience: true}}, Backends: []Backend{{Name: "first", Reflection: "https://first.example"}, test.backend}}
		const remedy = "; write one such as https://billing.example.com, or with http for this machine alone"
		faults := config.Faults()
		if len(faults) != 1 || faults[0].Setting != test.setting || strings.TrimSuffix(faults[0].Err.Error(), remedy) != test.want {
			t.Errorf("%s: %v; want of %s: %s", name, faults, test.setting, test.want)
		}
	}
}
