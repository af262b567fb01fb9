package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
	shipmentv1 "github.com/ostiary/ostiary/examples/gen/acme/shipment/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// start serves as main does, with an issuer of its own, and returns the URL of the gateway and
// the address for gRPC.
func start(t *testing.T) (url, addr string, issuer *authtest.Issuer) {
	t.Helper()
	var listeners [2]net.Listener
	for i := range listeners {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = listener
	}
	issuer = authtest.Start(t)
	config := ostiary.Config{Issuer: issuer.URL(), Profile: "clerk"}
	served := make(chan struct{})
	go func() {
		defer close(served)
		t.Log(serve(listeners[0], listeners[1], config))
	}()
	t.Cleanup(func() {
		_ = listeners[0].Close()
		<-served
	})
	return "http://" + listeners[0].Addr().String(), listeners[1].Addr().String(), issuer
}

// ask sends a request such as "GET /v1/shipments/1" to the gateway, and returns what it answers.
func ask(t *testing.T, url, request, token string) (status int, header http.Header, body string) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(read)
}

// call calls the same method by gRPC, without the gateway.
func call(t *testing.T, addr, request, token string) error {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(grpcauth.Credentials(authclient.StaticToken(token))))
	}
	conn, err := grpc.NewClient(addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := shipmentv1.NewShipmentServiceClient(conn)
	switch request {
	case get:
		_, err = client.GetShipment(t.Context(), &shipmentv1.GetShipmentRequest{})
	case cancel:
		_, err = client.CancelShipment(t.Context(), &shipmentv1.CancelShipmentRequest{})
	case watch:
		stream, opened := client.WatchShipment(t.Context(), &shipmentv1.WatchShipmentRequest{})
		for err = opened; err == nil; {
			_, err = stream.Recv()
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
	default:
		t.Fatalf("no method is named for %q", request)
	}
	return err
}

const (
	get    = "GET /v1/shipments/7"
	watch  = "GET /v1/shipments/7:watch"
	cancel = "POST /v1/shipments/7:cancel"
)

func TestTheRulesHoldByHTTPAndByGRPC(t *testing.T) {
	t.Parallel()
	url, addr, issuer := start(t)
	ada := issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin"))
	ben := issuer.Session("user_ben", authtest.InOrganization("org_acme", "acme", "member"))
	for name, row := range map[string]struct {
		request, token string
		status         int
		body           string // the answer's, without the space between tokens
		refused        auth.Reason
	}{
		"a stranger gets no shipment":        {get, "", http.StatusUnauthorized, "", auth.TokenMissing},
		"a stranger watches nothing":         {watch, "", http.StatusUnauthorized, "", auth.TokenMissing},
		"a token that was changed":           {get, ben + "A", http.StatusUnauthorized, "", auth.SignatureInvalid},
		"a member cancels nothing":           {cancel, ben, http.StatusForbidden, "", auth.RoleRequired},
		"a member gets a shipment":           {get, ben, http.StatusOK, `{"shipmentId":"7","customer":"user_ben"}`, 0},
		"a member watches a shipment":        {watch, ben, http.StatusOK, `{"result":{"place":"Rotterdam"}}` + "\n" + `{"result":{"place":"Basel"}}` + "\n", 0},
		"an administrator cancels shipments": {cancel, ada, http.StatusOK, `{"cancelledBy":"user_ada"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, header, body := ask(t, url, row.request, row.token)
			if status != row.status {
				t.Errorf("by HTTP: status %d; want %d\n%s", status, row.status, body)
			}
			// protojson puts a space after some commas and colons, or none.
			if compact := regexp.MustCompile(`([:,]) `).ReplaceAllString(body, "$1"); row.body != "" && compact != row.body {
				t.Errorf("by HTTP: %s; want %s", compact, row.body)
			}
			if challenge := header.Get("WWW-Authenticate"); (row.status == http.StatusUnauthorized) != strings.HasPrefix(challenge, "Bearer") {
				t.Errorf("by HTTP: the challenge is %q", challenge)
			}
			if row.status != http.StatusOK {
				if header.Get("X-Request-Id") == "" {
					t.Errorf("by HTTP: no X-Request-Id among %v", header)
				}
				assertRefused(t, body, row.refused)
			}
			err := call(t, addr, row.request, row.token)
			if reason, _ := grpcauth.ReasonOf(err); reason != row.refused || (err == nil) != (row.status == http.StatusOK) {
				t.Errorf("by gRPC: %v; want %v", err, row.refused)
			}
		})
	}
}

// assertRefused reads a body as README.md shows it. That of a stream is in "error".
func assertRefused(t *testing.T, body string, want auth.Reason) {
	t.Helper()
	type refusal struct {
		Code    int
		Message string
		Details []struct {
			Type           string `json:"@type"`
			Reason, Domain string
		}
	}
	var answer struct {
		refusal
		Error *refusal
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	got := answer.refusal
	if answer.Error != nil {
		got = *answer.Error
	}
	if got.Code != int(want.Code()) || got.Message == "" {
		t.Errorf("code %d, message %q; want code %d and what to do", got.Code, got.Message, want.Code())
	}
	for _, detail := range got.Details {
		if detail.Type == "type.googleapis.com/google.rpc.ErrorInfo" && detail.Reason == want.String() && detail.Domain == auth.ErrorDomain {
			return
		}
	}
	t.Errorf("no detail says %v:\n%s", want, body)
}
