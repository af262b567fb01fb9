package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/server/devissuer"
)

func TestTheBannerPrintsCommandsForWhatIsThere(t *testing.T) {
	t.Parallel()
	const whoAmI = "ostiary.identity.v1.IdentityService/WhoAmI"
	tests := map[string]struct {
		banner banner
		want   []string
		never  string
	}{
		"the default port needs no --server": {
			banner: banner{program: "./bin/ostiary", url: "http://localhost:8080", grpc: "localhost:9090", buf: true},
			want: []string{
				`Bearer $(./bin/ostiary token mint --as ada)"`,
				"buf curl --protocol grpcweb --http2-prior-knowledge",
				"http://localhost:8080/" + whoAmI,
				"with ostiary.New(ostiary.Config{}).\n",
			},
			never: "--server",
		},
		"another port does": {
			banner: banner{program: "ostiary", url: "http://localhost:8081", grpc: "localhost:9091", buf: true},
			want: []string{"$(ostiary token mint --as ada --server http://localhost:8081)", "http://localhost:9091/" + whoAmI,
				`ostiary.New(ostiary.Config{Issuer: "http://localhost:8081", Profile: "clerk"})`},
		},
		"curl alone, where there is neither buf nor grpcurl": {
			banner: banner{program: "ostiary", url: "http://localhost:8080", grpc: "localhost:9090"},
			want:   []string{"curl -s -H", "curl -si -H"},
			never:  "gRPC, as",
		},
		"no buf curl, where there is grpcurl alone": {
			banner: banner{program: "ostiary", url: "http://localhost:8080", grpc: "localhost:9090", grpcurl: true},
			want:   []string{"grpcurl -plaintext"},
			never:  "buf",
		},
		"grpcurl, where there is one": {
			banner: banner{program: "ostiary", url: "http://localhost:8080", grpc: "localhost:9090", buf: true, grpcurl: true},
			want:   []string{"grpcurl -plaintext", "localhost:9090 " + whoAmI},
			never:  "--protocol grpc --",
		},
		"the page for browsers, where it is served": {
			banner: banner{program: "ostiary", url: "http://localhost:8080", grpc: "localhost:9090", console: true},
			want:   []string{"in a browser             http://localhost:8080/\n"},
		},
		"no page where there is none": {
			banner: banner{program: "ostiary", url: "http://localhost:8080", grpc: "localhost:9090"},
			want:   []string{"personas"},
			never:  "browser",
		},
		"others are warned of where the issuer answers them": {
			banner: banner{program: "ostiary", url: "http://localhost:8081", grpc: "localhost:9090", remote: []string{"issuer"}},
			want:   []string{"WARNING", "localhost, or as issuer,"},
			never:  "this machine only",
		},
		"a path with a blank is quoted": {
			banner: banner{program: "/home/ada l/it's/ostiary", url: "http://localhost:8080", grpc: "localhost:9090", buf: true},
			want:   []string{`$('/home/ada l/it'\''s/ostiary' token mint --as ada)`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := test.banner.write(&b); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%s\nwant %s in it", b.String(), want)
				}
			}
			if test.never != "" && strings.Contains(b.String(), test.never) {
				t.Errorf("%s\nwant no %s in it", b.String(), test.never)
			}
		})
	}
}

// TestAServiceOfOnesOwnAcceptsTheTokens has a guard that is made as the banner says accept
// the token of every persona.
func TestAServiceOfOnesOwnAcceptsTheTokens(t *testing.T) {
	t.Parallel()
	dev := httptest.NewUnstartedServer(nil)
	url := "http://" + dev.Listener.Addr().String()
	issuer, err := devissuer.New(url)
	if err != nil {
		t.Fatal(err)
	}
	dev.Config.Handler = issuer
	dev.Start()
	t.Cleanup(dev.Close)
	guard, err := ostiary.New(ostiary.Config{
		Issuer: url, Profile: "clerk",
		Rules: []policy.Option{condition.Enable()}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guard.Close() })
	for _, persona := range devissuer.Personas() {
		bearer, err := devissuer.Mint(t.Context(), url, devissuer.Request{As: persona.Name})
		if err != nil {
			t.Fatal(err)
		}
		want := auth.KindSession
		if persona.Name == "robo" {
			want = auth.KindMachine
		}
		id, err := guard.Authenticator.Authenticate(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + bearer}}})
		if err != nil || id.Kind != want {
			t.Errorf("%s: %+v, %v; want kind %v", persona.Name, id, err, want)
		}
	}
}
