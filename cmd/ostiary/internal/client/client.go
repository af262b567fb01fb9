// Package client is how commands call a running server: with the token of a flag, of the
// environment, or of a persona of ostiary dev.
//
//	var caller client.Caller
//	caller.AddFlags(cmd)
//	err := caller.With(func(clients client.Clients) error { … })
package client

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/status/v1/statusv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/devissuer"
)

// tokenVariable holds the token where no flag does.
const tokenVariable = "OSTIARY_TOKEN"

// DefaultURL is where ostiary dev serves by default.
const DefaultURL = "http://localhost:8080"

// MaxDelay bounds the wait before a call is made again.
const MaxDelay = 10 * time.Second

// A Caller is how a command calls a server.
type Caller struct {
	server, tokenFile, persona string

	// Output is the format: table or json.
	Output string

	token      string // from the file or the environment
	asArgument string // a token that is refused
}

// AddFlags adds the flags of the server, the token and the output.
func (c *Caller) AddFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.server, "server", DefaultURL, "`URL` of the server")
	cmd.Flags().StringVar(&c.persona, "as", "", "`persona` of ostiary dev to call as, such as ada")
	cmd.Flags().StringVar(&c.tokenFile, "token-file", "", "`file` with the token to call with, or - for standard input (default $"+tokenVariable+")")
	cmd.Flags().StringVar(&c.asArgument, "token", "", "refused")
	_ = cmd.Flags().MarkHidden("token") // there is such a flag
	cmd.Flags().StringVarP(&c.Output, "output", "o", "table", "output `format`: table, or json with one object per line")
}

// Check says everything that is wrong with the flags.
func (c *Caller) Check() error {
	var wrong []error
	switch {
	case c.asArgument != "":
		wrong = append(wrong, errors.New("--token is refused, since other users of the machine can read arguments; set "+tokenVariable+", or name a file with --token-file"))
	case c.tokenFile != "" && c.persona != "":
		wrong = append(wrong, errors.New("--token-file and --as are both given; keep one of them"))
	case cmp.Or(c.tokenFile, c.persona, os.Getenv(tokenVariable)) == "":
		wrong = append(wrong, errors.New("no token; set "+tokenVariable+", or name a persona of ostiary dev, such as --as ada"))
	}
	if c.Output != "table" && c.Output != "json" {
		wrong = append(wrong, fmt.Errorf("--output is %q; use table or json", c.Output))
	}
	return errors.Join(append(wrong, cmp.Or(CheckServer(c.server), checkPrivate(c.server)))...)
}

// CheckServer refuses what is no address of a server, before anything is sent.
func CheckServer(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--server is %q; use a URL such as %s", address, DefaultURL)
	}
	return nil
}

// checkPrivate refuses an address to which the token would go unencrypted.
func checkPrivate(address string) error {
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" && !loopback.Host(u.Hostname()) {
		return fmt.Errorf("--server is %q; use https, as a token is never sent in plaintext to another machine", address)
	}
	return nil
}

// Token implements authclient.TokenSource.
func (c *Caller) Token(ctx context.Context) (string, error) {
	if c.persona == "" {
		return c.token, nil
	}
	// A watch lasts for as long as its token.
	return devissuer.Mint(ctx, c.server, devissuer.Request{As: c.persona, TTL: devissuer.MaxTTL})
}

// readToken reads the token, once, so that it can come from standard input.
func (c *Caller) readToken() error {
	c.token = os.Getenv(tokenVariable)
	if c.tokenFile == "" {
		return nil
	}
	from := os.Stdin
	if c.tokenFile != "-" {
		file, err := os.Open(c.tokenFile)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	raw, err := unverified.Read(from)
	c.token = unverified.Trim(raw)
	return err
}

// Clients are those of the services that the commands call.
type Clients struct {
	Sessions    sessionv1connect.SessionServiceClient
	Identity    identityv1connect.IdentityServiceClient
	Revocations revocationv1connect.RevocationServiceClient
	Decisions   decisionv1connect.DecisionServiceClient
	Status      statusv1connect.StatusServiceClient
}

// With calls do with clients, and puts its error into words.
func (c *Caller) With(do func(Clients) error) error {
	if err := c.Check(); err != nil {
		return usage.Wrong(err)
	}
	if err := c.readToken(); err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: connectauth.RefuseRedirects}
	options := []connect.ClientOption{connect.WithGRPC(), connectauth.WithToken(c.server, c)}
	return c.Explain(do(Clients{
		Sessions:    sessionv1connect.NewSessionServiceClient(client, c.server, options...),
		Identity:    identityv1connect.NewIdentityServiceClient(client, c.server, options...),
		Revocations: revocationv1connect.NewRevocationServiceClient(client, c.server, options...),
		Decisions:   decisionv1connect.NewDecisionServiceClient(client, c.server, options...),
		Status:      statusv1connect.NewStatusServiceClient(client, c.server, options...),
	}))
}

// Explain puts the error of a call into words.
func (c *Caller) Explain(err error) error {
	var received *connect.Error
	if !errors.As(err, &received) {
		return err
	}
	if Unreachable(err) {
		return fmt.Errorf("no server answers at %s; start one with ostiary dev, or name another with --server", c.server)
	}
	if _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); untrusted {
		return fmt.Errorf("the certificate of %s is by an authority that this machine does not know; if it is your own, name the file of its certificate in the variable SSL_CERT_FILE", c.server)
	}
	if minted := errors.Unwrap(received); errors.Is(err, devissuer.ErrNotRunning) || errors.Is(err, devissuer.ErrNoIssuer) || errors.Is(err, devissuer.ErrRefused) {
		return minted
	}
	if reason, ok := connectauth.ReasonOf(err); ok && reason == auth.KeysUnavailable {
		return fmt.Errorf("refused, %v: %s; where the server runs, ostiary doctor says why%s", reason, terminal.Printable(received.Message()), requestIDOf(received))
	} else if ok {
		return fmt.Errorf("refused, %v: %s%s", reason, terminal.Printable(received.Message()), requestIDOf(received))
	}
	return fmt.Errorf("%s: %s%s", cmp.Or(ReasonOf(received), received.Code().String()), terminal.Printable(received.Message()), requestIDOf(received))
}

// requestIDOf names the call, as the server's log does; empty where the server did not.
func requestIDOf(received *connect.Error) string {
	if id := DetailOf[*errdetails.ErrorInfo](received).GetMetadata()["request_id"]; id != "" {
		return " (request_id=" + terminal.Printable(id) + " in the server's log)"
	}
	return ""
}

// Unreachable reports whether there is nobody to answer.
func Unreachable(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// ReasonOf returns the reason of an error of ostiary's own services; empty for any
// other.
func ReasonOf(received *connect.Error) string {
	info := DetailOf[*errdetails.ErrorInfo](received)
	if _, known := errorv1.Reason_value["REASON_"+info.GetReason()]; !known || info.GetDomain() != auth.ErrorDomain {
		return ""
	}
	return info.GetReason()
}

// DetailOf returns the detail of a type; nil if the error has none.
func DetailOf[D proto.Message](received *connect.Error) D {
	for _, detail := range received.Details() {
		value, _ := detail.Value() // nil for a type that is not linked in
		if found, ok := value.(D); ok {
			return found
		}
	}
	return *new(D)
}

var _ authclient.TokenSource = (*Caller)(nil)

// Given returns nil for a flag that was not given.
func Given(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
