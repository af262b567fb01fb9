// Package authclient is for programs that call guarded services: where a token
// comes from ([TokenSource]), and how streams are kept open although tokens
// expire ([Retry]).
//
// A client is given a source by the adapter of its transport:
//
//	source := authclient.OAuth2Token(config.TokenSource(ctx))
//	client := invoicev1connect.NewInvoiceServiceClient(http.DefaultClient, api, connectauth.WithToken(api, source))
//
// and with grpc-go by grpcauth.Credentials(source). Nothing here knows a
// transport.
package authclient
