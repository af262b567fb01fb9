package sessions

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
)

// shakySessions fails the first calls, as a server does whose store does.
type shakySessions struct {
	sessionv1connect.UnimplementedSessionServiceHandler

	failures int
	code     connect.Code

	mu  sync.Mutex
	ids []string
}

func (s *shakySessions) RevokeSubject(_ context.Context, req *sessionv1.RevokeSubjectRequest) (*sessionv1.RevokeSubjectResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, req.GetRequestId())
	if len(s.ids) <= s.failures {
		err := connect.NewError(s.code, errors.New("not now"))
		detail, detailErr := connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(1)})
		if detailErr != nil {
			return nil, detailErr
		}
		err.AddDetail(detail)
		return nil, err
	}
	return &sessionv1.RevokeSubjectResponse{RevokedSessionCount: 2, IssuerSignOut: sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING}, nil
}

// runRevoke signs out the caller of the server, and returns what is printed.
func runRevoke(t *testing.T, sessions *shakySessions, more ...string) (string, error) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(sessionv1connect.NewSessionServiceHandler(sessions))
	mux.Handle(identityv1connect.NewIdentityServiceHandler(identityv1connect.UnimplementedIdentityServiceHandler{}))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := RevokeSubject()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"--current", "--token-file", tokenFile, "--server", server.URL}, more...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestARevocationIsRetriedWithTheSameRequestID(t *testing.T) {
	t.Parallel()
	sessions := &shakySessions{failures: 2, code: connect.CodeUnavailable}
	out, err := runRevoke(t, sessions)
	if err != nil || !strings.Contains(out, "2 sessions ended\nit will be ended at the issuer, too\n") {
		t.Errorf("%q, %v; want two sessions ended, and to be ended at the issuer", out, err)
	}
	if len(sessions.ids) != 3 || sessions.ids[0] == "" || len(slices.Compact(slices.Clone(sessions.ids))) != 1 {
		t.Errorf("request IDs %q; want one, three times", sessions.ids)
	}
}

func TestEachRevocationHasARequestIDOfItsOwn(t *testing.T) {
	t.Parallel()
	sessions := &shakySessions{}
	for range 2 {
		if _, err := runRevoke(t, sessions); err != nil {
			t.Fatal(err)
		}
	}
	if sessions.ids[0] == sessions.ids[1] {
		t.Errorf("request IDs %q; want two", sessions.ids)
	}
}

func TestARevocationThatMayHaveBeenMadeSaysHowToRetry(t *testing.T) {
	t.Parallel()
	sessions := &shakySessions{failures: 9, code: connect.CodeUnavailable}
	_, err := runRevoke(t, sessions, "--request-id", "mine")
	want := "unavailable: not now; the revocation may have been made or not: to find out, run the same command with --request-id mine"
	if err == nil || err.Error() != want || !slices.Equal(sessions.ids, []string{"mine", "mine", "mine"}) {
		t.Errorf("%v, with %q; want %s", err, sessions.ids, want)
	}
}

func TestARevocationThatIsRefusedIsNotRetried(t *testing.T) {
	t.Parallel()
	sessions := &shakySessions{failures: 9, code: connect.CodeInvalidArgument}
	if _, err := runRevoke(t, sessions); err == nil || len(sessions.ids) != 1 {
		t.Errorf("%v after %d tries; want an error after one", err, len(sessions.ids))
	}
}
