package settings

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/settings"
)

const anIssuer = "issuers: [{url: https://clerk.example.com, audiences: [invoices]}]\n"

func TestBackendsInOneLine(t *testing.T) {
	t.Parallel()
	billing := settings.Backend{Name: "billing", Reflection: "http://localhost:8081", URL: "http://localhost:8081"}
	for name, test := range map[string]struct {
		text string
		want []settings.Backend
	}{
		"a server with reflection":          {"billing=http://localhost:8081", []settings.Backend{billing}},
		"an image":                          {"billing=billing.binpb", []settings.Backend{{Name: "billing", Image: "billing.binpb"}}},
		"an image, and where to call":       {"billing=billing.binpb, billing=https://b.example.com", []settings.Backend{{Name: "billing", Image: "billing.binpb", URL: "https://b.example.com"}}},
		"where to call, and then the image": {"billing=https://b.example.com,billing=billing.binpb", []settings.Backend{{Name: "billing", Image: "billing.binpb", URL: "https://b.example.com"}}},
		"two":                               {"billing=http://localhost:8081,the shop=shop.binpb", []settings.Backend{billing, {Name: "the shop", Image: "shop.binpb"}}},
	} {
		got := new(Settings)
		if err := backendsFormat().set(got, test.text); err != nil || !reflect.DeepEqual(got.Server.Backends, test.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got.Server.Backends, err, test.want)
		}
	}
	for text, want := range map[string]string{
		"billing":                 "write name=URL or name=FILE",
		"=billing.binpb":          "write name=URL or name=FILE",
		"billing=":                "write name=URL or name=FILE",
		"b=a.binpb,b=c.binpb":     "two URLs or two files",
		"b=http://a,b=http://a/b": "two URLs or two files",
	} {
		if err := backendsFormat().set(new(Settings), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestFaultsOfBackends names each setting as its author wrote it.
func TestFaultsOfBackends(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source sources
		want   []string
	}{
		"a list in the file": {sources{file: anIssuer + "backends:\n- {name: billing, reflection: https://b.example.com:9090, url: https://b.example.com/api}\n"}, nil},
		"a variable":         {sources{file: anIssuer, environ: []string{"OSTIARY_BACKENDS=billing=http://localhost:8081"}}, nil},
		"no list":            {sources{file: anIssuer + "backends: {name: billing}\n"}, []string{"backends in FILE: not a list; start each backend with a dash"}},
		"an entry that is none": {sources{file: anIssuer + "backends: [billing]\n"}, []string{
			"backends[0] in FILE: not a backend; write name: and its other settings",
		}},
		"an unknown setting": {sources{file: anIssuer + "backends: [{name: billing, reflexion: https://b.example.com}]\n"}, []string{
			"backends[0].reflexion in FILE: unknown setting; did you mean reflection?",
			"backends[0] in FILE: nothing says where its schema is; set image to a file that buf build -o has made, or reflection to the URL of the gRPC server",
		}},
		"a value that is no text": {sources{file: anIssuer + "backends: [{name: billing, image: 1}]\n"}, []string{"backends[0].image in FILE: not a string; put it in quotes"}},
		"wrong URLs": {sources{file: anIssuer + "backends: [{name: a, reflection: http://b.example.com, url: 'https://b.example.com/?x=1'}]\n"}, []string{
			"backends[0].reflection in FILE: it is not https; write one such as https://billing.example.com, or with http for this machine alone",
			"backends[0].url in FILE: it has a query; write one such as https://billing.example.com, or with http for this machine alone",
		}},
		"a wrong URL in a variable": {sources{file: anIssuer, environ: []string{"OSTIARY_BACKENDS=a=http://b.example.com"}}, []string{
			"OSTIARY_BACKENDS: it is not https; write one such as https://billing.example.com, or with http for this machine alone",
		}},
	} {
		_, faults := test.source.read(t, All())
		if !slices.Equal(faults, test.want) {
			t.Errorf("%s:\n%q; want\n%q", name, faults, test.want)
		}
	}
}
