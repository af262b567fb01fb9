package server

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/settings"
)

// killedIn names the data directory of a server that is killed, and killedWith the issuer
// that it trusts.
const (
	killedIn   = "OSTIARY_TEST_KILLED_IN"
	killedWith = "OSTIARY_TEST_KILLED_WITH"
)

// serveUntilKilled serves, and says where. It does not come to answer a message that was
// made durable: it says so, and waits.
func serveUntilKilled() {
	ctx := context.Background()
	config := settings.Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", AdminAddr: settings.AdminNone, DataDir: os.Getenv(killedIn),
		Issuers: []settings.Issuer{{URL: os.Getenv(killedWith), AllowAnyAudience: true}}, Logger: slog.New(stopAtMessage{slog.DiscardHandler}),
	}
	withWebhooks(&config)
	srv, err := New(ctx, config)
	if err == nil {
		fmt.Fprintln(os.Stdout, srv.HTTPAddr())
		err = srv.Run(ctx)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// stopAtMessage stops the server when it logs that a message of an issuer is in force.
type stopAtMessage struct{ slog.Handler }

func (stopAtMessage) Enabled(context.Context, slog.Level) bool { return true }

func (h stopAtMessage) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "an issuer has said that something is over" {
		fmt.Fprintln(os.Stdout, "durable")
		select {}
	}
	return nil
}

func (h stopAtMessage) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestAMessageIsActedOnOnceAlsoIfTheServerIsKilledBeforeItAnswers(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, withWebhooks)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), killedIn+"="+r.config.DataDir, killedWith+"="+r.issuer.URL())
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() {
		t.Fatal("the server does not start")
	}
	body := sessionEnded("ada-1")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+said.Text()+"/signals/clerk", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range signed(time.Now(), "msg_1", body) {
		req.Header.Set(name, value)
	}
	client, answered := httpClient(t, false), make(chan error, 1)
	go func() {
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		answered <- err
	}()
	if !said.Scan() || said.Text() != "durable" {
		t.Fatalf("the server says %q; want that the message is durable", said.Text())
	}
	_ = process.Process.Kill() // SIGKILL
	_ = process.Wait()
	if err := <-answered; err == nil {
		t.Error("the message was answered")
	}

	again := r.again(t, withWebhooks)
	cast := again.cast()
	again.wantReason(t, "the session, before the message comes again", cast["ada-1"], auth.TokenRevoked)
	if got := again.webhook(t, "msg_1", body); got != http.StatusOK {
		t.Errorf("the retry: status %d; want 200", got)
	}
	again.wantReason(t, "the session", cast["ada-1"], auth.TokenRevoked)
	res, err := again.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || len(res.GetRevocations()) != 1 {
		t.Errorf("%v, error %v; want one revocation", res, err)
	}
}
