package main

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"text/template"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/server/devissuer"
)

// A banner is what ostiary dev prints: where it is, and commands that work as
// they are printed, at once, in another terminal in the same directory.
type banner struct {
	program string   // as it was started
	url     string   // of the HTTP address
	grpc    string   // host:port of the native one
	buf     bool     // whether buf is installed
	grpcurl bool     // whether grpcurl is installed; buf speaks native gRPC too
	console bool     // whether the page for browsers is served
	remote  []string // names by which other machines may call the issuer
}

// findTools looks for the programs that the commands need.
func (b *banner) findTools() {
	installed := func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	}
	b.grpcurl, b.buf = installed("grpcurl"), installed("buf")
}

// Config is what a guard of one's own takes to accept the tokens.
func (b *banner) Config() string {
	if b.url == ostiary.DevIssuer {
		return "ostiary.Config{}"
	}
	return fmt.Sprintf("ostiary.Config{Issuer: %q, Profile: \"clerk\"}", b.url)
}

// Mint is the command that prints a token of a persona.
func (b *banner) Mint(persona string) string {
	mint := quote(b.program) + " token mint --as " + persona
	if b.url != client.DefaultURL {
		mint += " --server " + b.url
	}
	return mint
}

func (b *banner) write(w io.Writer) error {
	var personas []string
	for _, p := range devissuer.Personas() {
		personas = append(personas, p.Name)
	}
	return bannerTemplate.Execute(w, map[string]any{
		"Banner":   b,
		"URL":      b.url,
		"GRPC":     b.grpc,
		"Buf":      b.buf,
		"Grpcurl":  b.grpcurl,
		"Console":  b.console,
		"Remote":   strings.Join(b.remote, ", "),
		"Personas": strings.Join(personas, ", "),
		"WhoAmI":   identityv1connect.IdentityServiceWhoAmIProcedure,
	})
}

var bannerTemplate = template.Must(template.New("banner").Parse(`ostiary dev: for development {{if .Remote}}only

  WARNING: every machine that reaches this one as localhost, or as {{.Remote}},
  gets an administrator's token{{else}}on this machine only{{end}}

{{if .Console}}  in a browser             {{.URL}}/
{{end}}  Connect, gRPC, gRPC-Web  {{.URL}}
  native gRPC              {{.GRPC}}
  personas                 {{.Personas}}

Try it from another terminal, in this directory. With Connect, as ada:

  curl -s -H "Authorization: Bearer $({{.Banner.Mint "ada"}})" \
    -H "Content-Type: application/json" -d '{}' {{.URL}}{{.WhoAmI}}

{{if .Buf}}with gRPC-Web, as ben:

  buf curl --protocol grpcweb --http2-prior-knowledge \
    -H "Authorization: Bearer $({{.Banner.Mint "ben"}})" -d '{}' {{.URL}}{{.WhoAmI}}

{{end}}{{if .Grpcurl}}with native gRPC, as robo:

  grpcurl -plaintext -H "Authorization: Bearer $({{.Banner.Mint "robo"}})" {{.GRPC}} ostiary.identity.v1.IdentityService/WhoAmI

{{else if .Buf}}with native gRPC, as robo:

  buf curl --protocol grpc --http2-prior-knowledge \
    -H "Authorization: Bearer $({{.Banner.Mint "robo"}})" -d '{}' http://{{.GRPC}}{{.WhoAmI}}

{{end}}Without a token, the call is refused with 401 and reason TOKEN_MISSING:

  curl -si -H "Content-Type: application/json" -d '{}' {{.URL}}{{.WhoAmI}}

Your own service accepts these tokens, on any other port, with ostiary.New({{.Banner.Config}}).

`))

// quote makes s one word for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./+,:@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
