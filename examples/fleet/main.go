// Fleet shows a sign-out at one ostiary server ending a stream at a service that follows
// another one: `make fleet` in the repository. It starts PostgreSQL, two servers on it and
// two services on this machine, and ends them all. With -stay they stay until Ctrl-C, and
// it prints commands to try.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	deliveryv1 "github.com/ostiary/ostiary/examples/gen/acme/delivery/v1"
	"github.com/ostiary/ostiary/examples/gen/acme/delivery/v1/deliveryv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/internal/fleet"
	"github.com/ostiary/ostiary/internal/pgserver"
)

func main() {
	d := demonstration{out: os.Stdout, within: time.Second}
	flag.StringVar(&d.program, "ostiary", "../bin/ostiary", "the `binary` of the servers")
	flag.BoolVar(&d.stay, "stay", false, "leave all running until Ctrl-C, and print commands to try")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelError) // not that the issuer is for development alone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := d.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

type demonstration struct {
	out     io.Writer
	program string
	within  time.Duration // the streams must end after the sign-out was acknowledged
	stay    bool
}

func (d demonstration) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, format+"\n", args...)
}

func (d demonstration) run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "ostiary-fleet-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()

	database, err := pgserver.Start(ctx)
	if err != nil {
		return err
	}
	defer database.Close()
	url, err := database.NewDatabase(ctx)
	if err != nil {
		return err
	}
	d.say("PostgreSQL runs.")

	issuer, closer, err := fleet.StartIssuer(ctx)
	if err != nil {
		return err
	}
	defer closer.Close() //nolint:errcheck // the process ends
	secret := rand.Text() + rand.Text()
	program, err := filepath.Abs(d.program)
	if err != nil {
		return err
	}
	var hubs [2]*fleet.Hub
	defer func() {
		for _, hub := range hubs {
			if hub != nil {
				_ = hub.Kill()
			}
		}
	}()
	for i := range hubs {
		hubs[i] = &fleet.Hub{Program: program, Dir: folder, Settings: []string{
			"DATABASE_URL=" + url, "OSTIARY_ISSUER=" + issuer.URL(), "OSTIARY_PROFILE=clerk", "OSTIARY_FEED_SECRET=" + secret,
		}}
		if err := hubs[i].Start(ctx); err != nil {
			return err
		}
		d.say("Replica %d serves on %s.", i+1, hubs[i].URL())
	}

	serving, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	var services [2]string
	for i, name := range []string{"billing", "shipping"} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		services[i] = "http://" + listener.Addr().String()
		running.Go(func() {
			if err := serve(serving, listener, name, hubs[i].URL(), secret, issuer.URL()); err != nil && serving.Err() == nil {
				d.say("The service %s has ended: %v", name, err)
			}
		})
		d.say("The service %s serves on %s, and follows replica %d.", name, services[i], i+1)
	}

	token := issuer.Session("user_ada", authtest.ExpiresIn(time.Hour))
	if err := d.signOut(ctx, hubs[0].URL(), services, token); err != nil {
		return err
	}
	if d.stay {
		d.tryYourself(hubs[0].URL(), services[1], issuer.Session("user_ada", authtest.ExpiresIn(time.Hour)))
		<-ctx.Done()
	}
	return nil
}

// signOut opens a stream at both services, and signs out at the hub.
func (d demonstration) signOut(ctx context.Context, hub string, services [2]string, token string) error {
	type end struct {
		service int
		at      time.Time
		err     error
	}
	ends := make(chan end, len(services))
	for i, service := range services {
		client := deliveryv1connect.NewDeliveryServiceClient(new(http.Client), service, connectauth.WithToken(service, authclient.StaticToken(token)))
		stream, err := client.WatchDeliveries(ctx, &deliveryv1.WatchDeliveriesRequest{})
		if err != nil {
			return err
		}
		if !stream.Receive() {
			return fmt.Errorf("%s does not open a stream: %w", service, stream.Err())
		}
		go func() {
			for stream.Receive() { // nothing is done with a delivery
			}
			ends <- end{i, time.Now(), stream.Err()}
		}()
	}
	d.say("\nAda has signed in, and has an open stream at both services.")

	began := time.Now()
	client := sessionv1connect.NewSessionServiceClient(new(http.Client), hub, connectauth.WithToken(hub, authclient.StaticToken(token)))
	if _, err := client.RevokeSession(ctx, &sessionv1.RevokeSessionRequest{
		Target: &sessionv1.RevokeSessionRequest_CurrentSession{CurrentSession: &sessionv1.CurrentSession{}},
	}); err != nil {
		return err
	}
	acknowledged := time.Now()
	d.say("She signs out at replica 1, which acknowledges it after %d ms.", acknowledged.Sub(began).Milliseconds())

	timeout := time.After(d.within)
	for range services {
		select {
		case <-timeout:
			return fmt.Errorf("not every stream has ended %s after the sign-out was acknowledged", d.within)
		case ended := <-ends:
			name := []string{"billing", "shipping"}[ended.service]
			reason, ok := connectauth.ReasonOf(ended.err)
			if !ok || reason != auth.TokenRevoked {
				return fmt.Errorf("the stream at %s ended with %w; want %s", name, ended.err, auth.TokenRevoked)
			}
			d.say("The stream at %s, which follows replica %d, ended %s: %s.", name, ended.service+1, since(acknowledged, ended.at), reason)
		}
	}

	again := deliveryv1connect.NewDeliveryServiceClient(new(http.Client), services[1], connectauth.WithToken(services[1], authclient.StaticToken(token)))
	stream, err := again.WatchDeliveries(ctx, &deliveryv1.WatchDeliveriesRequest{})
	if err != nil {
		return err
	}
	if stream.Receive() {
		return errors.New("shipping admits a token that was revoked")
	}
	reason, _ := connectauth.ReasonOf(stream.Err())
	if reason != auth.TokenRevoked {
		return fmt.Errorf("shipping refuses a revoked token with %w; want %s", stream.Err(), auth.TokenRevoked)
	}
	d.say("A further call with her token is refused by shipping: %s.", reason)
	return nil
}

// since says how long after the acknowledgement something was. The hub acknowledges last,
// so it can be before.
func since(acknowledged, at time.Time) string {
	if ms := at.Sub(acknowledged).Milliseconds(); ms >= 0 {
		return fmt.Sprintf("%d ms after that", ms)
	}
	return "just before that"
}

func (d demonstration) tryYourself(hub, service, token string) {
	d.say(`
All stay until Ctrl-C. In another terminal, open a stream at shipping, which follows replica 2:

  export TOKEN=%s
  printf '\0\0\0\0\2{}' | curl -sN -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/connect+json' \
    --data-binary @- %s%s

and end the session in a third one, at replica 1:

  export TOKEN=…  # as above
  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"currentSession": {}}' \
    %s%s`, token, service, deliveryv1connect.DeliveryServiceWatchDeliveriesProcedure, hub, sessionv1connect.SessionServiceRevokeSessionProcedure)
}
