package main

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// call prints the subject, or the reason of the refusal.
func call(ts *testscript.TestScript, _ bool, args []string) {
	res := ask[identityv1.WhoAmIRequest, identityv1.WhoAmIResponse](ts, args, identityv1.IdentityService_WhoAmI_FullMethodName)
	if res != nil {
		fmt.Fprintln(ts.Stdout(), "hello", res.GetIdentity().GetSubject())
	}
}

// health prints how the server is, or the reason of the refusal.
func health(ts *testscript.TestScript, _ bool, args []string) {
	res := ask[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](ts, args, grpc_health_v1.Health_Check_FullMethodName)
	if res != nil {
		fmt.Fprintln(ts.Stdout(), res.GetStatus())
	}
}

// ask sends an empty request by the protocol, and with the token, that the
// arguments name. It returns nil where it is refused, and prints the reason.
func ask[Req, Res any](ts *testscript.TestScript, args []string, procedure string) *Res {
	token := ""
	if len(args) > 1 {
		token = args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	var res *Res
	var err error
	if args[0] == "native" {
		res, err = askNatively[Req, Res](ctx, ts.Getenv("GRPC"), token, procedure)
	} else {
		res, err = askOverHTTP[Req, Res](ctx, ts.Getenv("HTTP"), args[0], token, procedure)
	}
	reason, refused := connectauth.ReasonOf(err)
	if !refused {
		reason, refused = grpcauth.ReasonOf(err)
	}
	if refused {
		fmt.Fprintln(ts.Stdout(), "refused", reason)
		return nil
	}
	ts.Check(err)
	return res
}

func askOverHTTP[Req, Res any](ctx context.Context, addr, protocol, token, procedure string) (*Res, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	url := "http://" + addr
	options := []connect.ClientOption{connectauth.WithToken(url, authclient.StaticToken(token))}
	switch protocol {
	case "grpc":
		options = append(options, connect.WithGRPC())
	case "grpcweb":
		options = append(options, connect.WithGRPCWeb())
	}
	client := connect.NewClient[Req, Res](&http.Client{Transport: transport}, url+procedure, options...)
	res, err := client.CallUnary(ctx, connect.NewRequest(new(Req)))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func askNatively[Req, Res any](ctx context.Context, addr, token, procedure string) (*Res, error) {
	conn, err := grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(grpcauth.Credentials(authclient.StaticToken(token))))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	res := new(Res)
	return res, conn.Invoke(ctx, procedure, new(Req), res)
}
