package processtest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The first line of the log says what a server is set to serve, also where it then cannot
// start, and nothing that is secret.
func TestTheFirstLineOfTheLogSaysWhatIsServed(t *testing.T) {
	t.Parallel()
	const secret, issuers = "hunter2", `issuers:
  - {url: https://clerk.example.com, audiences: [invoices, orders], authorized_parties: [https://app.example.com]}
  - {url: https://login.example.com, profile: oidc, audiences: [invoices], essential: true}
`
	for name, test := range map[string]struct {
		env  []string
		want []string
	}{
		"a database that cannot be reached": {
			env: []string{"DATABASE_URL=postgres://ada:hunter2@127.0.0.1:1/app?password=hunter2&sslmode=disable", "OSTIARY_FEED_SECRET=hunter2hunter2hunter2hunter2hunter2", "CLERK_SECRET_KEY=sk_live_hunter2"},
			want: []string{
				"database=postgres://ada@127.0.0.1:1/app",
				"{URL:https://clerk.example.com Audiences:[invoices orders] AuthorizedParties:[https://app.example.com] Essential:false}",
				"{URL:https://login.example.com Audiences:[invoices] AuthorizedParties:[] Essential:true}",
			},
		},
		"a data directory": {
			env:  []string{"OSTIARY_DATA_DIR=data"},
			want: []string{"database=DIR/data/ostiary.db"},
		},
		"a relay": {
			env:  []string{"OSTIARY_FOLLOW=https://hub.example.com", "OSTIARY_FOLLOW_SECRET=hunter2hunter2hunter2hunter2hunter2"},
			want: []string{"follow=https://hub.example.com"},
		},
		"a log of errors alone": {
			env:  []string{"OSTIARY_DATA_DIR=data", "OSTIARY_LOG_LEVEL=error"},
			want: []string{"level=INFO", "database=DIR/data/ostiary.db"},
		},
		"JSON": {
			env:  []string{"OSTIARY_LOG_FORMAT=json"},
			want: []string{`{"url":"https://login.example.com","audiences":["invoices"],"authorized_parties":null,"essential":true}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "ostiary.yaml"), []byte(issuers), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("ostiary", "serve", "--config", "ostiary.yaml")
			cmd.Dir = dir
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "OSTIARY_HTTP_ADDR=127.0.0.1:0", "OSTIARY_GRPC_ADDR=127.0.0.1:0", "OSTIARY_ADMIN_ADDR=none"}, test.env...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			log := bufio.NewReader(stderr)
			first, err := log.ReadString('\n')
			_ = cmd.Process.Kill()
			second, _ := log.ReadString('\n') // of a log of errors there is none
			_ = cmd.Wait()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(test.want, "starting", "version", "tls", "http_addr", "grpc_addr", "admin_addr") {
				if want = strings.Replace(want, "DIR", dir, 1); !strings.Contains(first, want) {
					t.Errorf("the first line has no %s: %s", want, first)
				}
			}
			if strings.Contains(first+second, secret) {
				t.Errorf("the log has a secret: %s%s", first, second)
			}
		})
	}
}
