package main

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

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/devissuer"
)

// tokenVariable holds the token where no flag does.
const tokenVariable = "OSTIARY_TOKEN"

func newSession() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "List, end and watch the sessions that a server has seen",
		Long: `List, end and watch the sessions that a server has seen: your own; with the role
org:admin, those in your organization; as an operator, all of them.

The commands call a running server over gRPC. The token comes from the environment
variable OSTIARY_TOKEN, from a file or standard input with --token-file, or from a persona
of "ostiary dev" with --as. It is not taken as an argument, which other users of the
machine can read.`,
		Example: `  ostiary session list --as ada
  ostiary session revoke --as ada sess_2f…
  ostiary session revoke-subject --as robo user_ben
  OSTIARY_TOKEN=… ostiary session watch --server https://api.example.com`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSessionList(), newSessionRevoke(), newSessionRevokeSubject(), newSessionWatch())
	return cmd
}

// A caller is how the session commands call a server.
type caller struct {
	server, tokenFile, persona, output string

	token      string // from the file or the environment
	asArgument string // a token that is refused
}

func (c *caller) addFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.server, "server", defaultServerURL, "`URL` of the server")
	cmd.Flags().StringVar(&c.persona, "as", "", "`persona` of ostiary dev to call as, such as ada")
	cmd.Flags().StringVar(&c.tokenFile, "token-file", "", "`file` with the token to call with, or - for standard input (default $"+tokenVariable+")")
	cmd.Flags().StringVar(&c.asArgument, "token", "", "refused")
	_ = cmd.Flags().MarkHidden("token") // there is such a flag
	cmd.Flags().StringVarP(&c.output, "output", "o", "table", "output `format`: table, or json with one object per line")
}

// check says everything that is wrong with the flags.
func (c *caller) check() error {
	var wrong []error
	switch {
	case c.asArgument != "":
		wrong = append(wrong, errors.New("--token is refused, since other users of the machine can read arguments; set "+tokenVariable+", or name a file with --token-file"))
	case c.tokenFile != "" && c.persona != "":
		wrong = append(wrong, errors.New("--token-file and --as are both given; keep one of them"))
	case cmp.Or(c.tokenFile, c.persona, os.Getenv(tokenVariable)) == "":
		wrong = append(wrong, errors.New("no token; set "+tokenVariable+", or name a persona of ostiary dev, such as --as ada"))
	}
	if c.output != "table" && c.output != "json" {
		wrong = append(wrong, fmt.Errorf("--output is %q; use table or json", c.output))
	}
	return errors.Join(append(wrong, cmp.Or(checkServer(c.server), checkPrivate(c.server)))...)
}

// checkServer refuses what is no address of a server, before anything is sent.
func checkServer(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--server is %q; use a URL such as %s", address, defaultServerURL)
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
func (c *caller) Token(ctx context.Context) (string, error) {
	if c.persona == "" {
		return c.token, nil
	}
	// A watch lasts for as long as its token.
	return devissuer.Mint(ctx, c.server, devissuer.Request{As: c.persona, TTL: devissuer.MaxTTL})
}

// readToken reads the token, once, so that it can come from standard input.
func (c *caller) readToken() error {
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
	raw, err := readToken(from)
	c.token = unverified.Trim(raw)
	return err
}

// clients are those of the services that the commands call.
type clients struct {
	sessions  sessionv1connect.SessionServiceClient
	identity  identityv1connect.IdentityServiceClient
	decisions decisionv1connect.DecisionServiceClient
}

// with calls do with clients, and puts its error into words.
func (c *caller) with(do func(clients) error) error {
	if err := c.check(); err != nil {
		return usageError{err}
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
	return c.explain(do(clients{
		sessions:  sessionv1connect.NewSessionServiceClient(client, c.server, options...),
		identity:  identityv1connect.NewIdentityServiceClient(client, c.server, options...),
		decisions: decisionv1connect.NewDecisionServiceClient(client, c.server, options...),
	}))
}

func (c *caller) explain(err error) error {
	var received *connect.Error
	if !errors.As(err, &received) {
		return err
	}
	if unreachable(err) {
		return fmt.Errorf("no server answers at %s; start one with ostiary dev, or name another with --server", c.server)
	}
	if _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); untrusted {
		return fmt.Errorf("the certificate of %s is by an authority that this machine does not know; if it is your own, name the file of its certificate in the variable SSL_CERT_FILE", c.server)
	}
	if minted := errors.Unwrap(received); errors.Is(err, devissuer.ErrNotRunning) || errors.Is(err, devissuer.ErrNoIssuer) || errors.Is(err, devissuer.ErrRefused) {
		return minted
	}
	if reason, ok := connectauth.ReasonOf(err); ok {
		return fmt.Errorf("refused, %v: %s%s", reason, printable(received.Message()), requestIDOf(received))
	}
	return fmt.Errorf("%s: %s%s", cmp.Or(reasonOf(received), received.Code().String()), printable(received.Message()), requestIDOf(received))
}

// requestIDOf names the call, as the server's log does; empty where the server did not.
func requestIDOf(received *connect.Error) string {
	if id := detailOf[*errdetails.ErrorInfo](received).GetMetadata()["request_id"]; id != "" {
		return " (request_id=" + printable(id) + " in the server's log)"
	}
	return ""
}

// unreachable reports whether there is nobody to answer.
func unreachable(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}

// reasonOf returns the reason of an error of ostiary's own services; empty for any
// other.
func reasonOf(received *connect.Error) string {
	info := detailOf[*errdetails.ErrorInfo](received)
	if _, known := errorv1.Reason_value["REASON_"+info.GetReason()]; !known || info.GetDomain() != auth.ErrorDomain {
		return ""
	}
	return info.GetReason()
}

// detailOf returns the detail of a type; nil if the error has none.
func detailOf[D proto.Message](received *connect.Error) D {
	for _, detail := range received.Details() {
		value, _ := detail.Value() // nil for a type that is not linked in
		if found, ok := value.(D); ok {
			return found
		}
	}
	return *new(D)
}

var _ authclient.TokenSource = (*caller)(nil)

// A sessionFilter says which sessions to show. A field that is nil is not asked about.
type sessionFilter struct {
	subject, organization, issuer string
	noOrganization                bool
}

func (f *sessionFilter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "only sessions of this `subject`")
	cmd.Flags().StringVar(&f.organization, "organization", "", "only sessions in the organization with this `id`")
	cmd.Flags().BoolVar(&f.noOrganization, "no-organization", false, "only sessions in no organization")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only sessions of this `issuer`")
}

func (f *sessionFilter) check(flags *pflag.FlagSet) error {
	wrong := notEmpty(flags, "subject", "organization", "issuer")
	if f.noOrganization && f.organization != "" {
		wrong = errors.Join(wrong, errors.New("--organization and --no-organization are both given; keep one of them"))
	}
	return wrong
}

// organizationID is that of the requests: nil for any, and empty for none.
func (f *sessionFilter) organizationID() *string {
	if f.noOrganization {
		return new(string)
	}
	return given(f.organization)
}

// given returns nil for a flag that was not given.
func given(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
