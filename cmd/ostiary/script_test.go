package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ostiary": main})
}

// TestScripts runs testdata/*.txtar, each a terminal session with the program.
// Beside the usual commands they have:
//
//	exits CODE COMMAND…    runs a command that ends with this exit status
//	issuer                 starts an issuer that serves nothing but its keys; $ISSUER
//	away                   ends that issuer
//	sign VAR SUBJECT [CLAIM=VALUE…]   a token of that issuer, in $VAR; ago=DURATION, forged
//	start COMMAND…         starts a server; $HTTP, $GRPC and $ADMIN, server.out and server.err
//	printed PREFIX FILE    writes the command that the server printed to FILE
//	await FILE PATTERN     waits until something in a file matches
//	mint VAR PERSONA [FLAGS…]   a token of the development issuer, in $VAR
//	crash                  kills the server, without a warning
//	end                    ends the server, which must succeed
//	logout SUBJECT SESSION [CLIENT]  has that issuer tell the server that a session has ended, and prints the answer
//	image TEXT FILE        makes an image of a schema from its text form
//	call PROTOCOL [TOKEN]  asks who I am, with connect, grpc, grpcweb or native
//	health PROTOCOL [TOKEN]  asks how the server is, in the same way
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[sessionKey{}] = new(session)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"issuer":  startIssuer,
			"away":    endIssuer,
			"sign":    sign,
			"start":   startServer,
			"printed": printed,
			"await":   await,
			"mint":    mint,
			"crash":   crash,
			"end":     endServer,
			"call":    call,
			"health":  health,
			"logout":  logout,
			"image":   makeImage,
		},
	})
}

// session is what the commands of one script share.
type session struct {
	issuer *authtest.Issuer
	away   func() // ends the issuer
	server *process
}

type sessionKey struct{}

func sessionOf(ts *testscript.TestScript) *session {
	return ts.Value(sessionKey{}).(*session)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var status *exec.ExitError
	got := 0
	if errors.As(err, &status) {
		got = status.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d; want %d", got, want)
	}
}

func startIssuer(ts *testscript.TestScript, _ bool, _ []string) {
	keys := http.NewServeMux()
	server := httptest.NewServer(keys)
	ts.Defer(server.Close)
	issuer := authtest.New(server.URL)
	keys.Handle(authtest.JWKSPath, issuer)
	sessionOf(ts).issuer, sessionOf(ts).away = issuer, server.Close
	ts.Setenv("ISSUER", server.URL)
}

func endIssuer(ts *testscript.TestScript, _ bool, _ []string) { sessionOf(ts).away() }

func sign(ts *testscript.TestScript, _ bool, args []string) {
	var edits []authtest.Edit
	for _, arg := range args[2:] {
		claim, value, _ := strings.Cut(arg, "=")
		switch claim {
		case "ago":
			ago, err := time.ParseDuration(value)
			ts.Check(err)
			edits = append(edits, authtest.IssuedAt(time.Now().Add(-ago)))
		case "forged":
			edits = append(edits, authtest.SignedBy(authtest.NewKey("RS256").WithID(sessionOf(ts).issuer.Key().ID())))
		default:
			edits = append(edits, authtest.With(claim, value))
		}
	}
	ts.Setenv(args[0], sessionOf(ts).issuer.Session(args[1], edits...))
}

// logout sends a logout token (OpenID Connect Back-Channel Logout 1.0).
func logout(ts *testscript.TestScript, _ bool, args []string) {
	client := "web"
	if len(args) > 2 {
		client = args[2]
	}
	token := sessionOf(ts).issuer.OIDC(args[0], authtest.Header("typ", "logout+jwt"), authtest.With("sid", args[1]), authtest.With("aud", client), authtest.Without("nbf"),
		authtest.With("jti", "logout-"+args[1]), authtest.With("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}))
	sender := &http.Client{Timeout: serverTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := sender.PostForm("http://"+ts.Getenv("HTTP")+"/signals/backchannel-logout", url.Values{"logout_token": {token}})
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), res.StatusCode, string(body))
}
