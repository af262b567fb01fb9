package proxytest

import (
	"fmt"
	"net"
	"path/filepath"
)

// A Kind is one of the proxies.
type Kind struct {
	// File is its configuration, in deploy/proxies.
	File string

	program, debian string
	arguments       func(dir, config string) []string
	// edits are what a test must choose, besides what is in every file.
	edits func(dir, addr string, first Server) []string
}

// NGINX is nginx.
var NGINX = Kind{
	File: "nginx.conf", program: "nginx", debian: "nginx-light",
	arguments: func(dir, config string) []string {
		return []string{"-p", dir, "-e", "stderr", "-c", config, "-g", "daemon off; pid nginx.pid; error_log stderr;"}
	},
	edits: func(dir, addr string, _ Server) []string {
		http := "\nhttp {\n    access_log access.log;\n"
		for _, module := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			http += fmt.Sprintf("    %s_temp_path %s;\n", module, filepath.Join(dir, module))
		}
		return []string{"listen 443 ", "listen " + addr + " ", "\nhttp {\n", http}
	},
}

// HAProxy is HAProxy.
var HAProxy = Kind{
	File: "haproxy.cfg", program: "haproxy", debian: "haproxy",
	arguments: func(_, config string) []string { return []string{"-db", "-f", config} },
	edits:     func(_, addr string, _ Server) []string { return []string{"bind :443", "bind " + addr} },
}

// HAProxyTCP is HAProxy that passes on bytes, with the PROXY protocol. TLS ends at the servers,
// and their gRPC ports are behind grpc.localhost.
var HAProxyTCP = Kind{
	File: "haproxy-tcp.cfg", program: "haproxy", debian: "haproxy",
	arguments: HAProxy.arguments,
	edits:     HAProxy.edits,
}

// Caddy is Caddy.
var Caddy = Kind{
	File: "Caddyfile", program: "caddy", debian: "caddy",
	arguments: func(_, config string) []string {
		return []string{"run", "--adapter", "caddyfile", "--config", config}
	},
	edits: func(_, addr string, first Server) []string {
		_, port, _ := net.SplitHostPort(addr)
		_, health, _ := net.SplitHostPort(first.HTTP)
		return []string{
			"# Caddy (", "{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n\n# Caddy (",
			"localhost {", "localhost:" + port + " {",
			"health_port 8080", "health_port " + health,
		}
	},
}
