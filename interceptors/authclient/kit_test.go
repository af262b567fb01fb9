package authclient_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cret-of-the-client"

// A tokenServer is an authorization server that issues token-1, token-2 and so on, for
// an hour each, unless it is set to answer otherwise.
type tokenServer struct {
	*httptest.Server

	mu     sync.Mutex
	now    time.Time
	forms  []url.Values // of the requests so far
	users  []string     // the basic credentials of each
	answer http.HandlerFunc
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	s := &tokenServer{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	id, password, _ := r.BasicAuth()
	s.mu.Lock()
	s.forms, s.users = append(s.forms, r.PostForm), append(s.users, id+":"+password)
	n, answer := len(s.forms), s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	issue(w, map[string]any{"access_token": fmt.Sprint("token-", n), "token_type": "Bearer", "expires_in": 3600})
}

func issue(w http.ResponseWriter, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// answers has the server answer so from now on; nil is as at first.
func (s *tokenServer) answers(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *tokenServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.forms)
}

func (s *tokenServer) lastForm() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forms[len(s.forms)-1]
}

func (s *tokenServer) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *tokenServer) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *tokenServer) endpoint() authclient.TokenEndpoint {
	return authclient.TokenEndpoint{
		URL: s.URL + "/oauth/token", ClientID: "billing", ClientSecret: secret, HTTPClient: s.Client(), Now: s.clock,
	}
}

// unavailable answers like a server that repeats what it was sent.
func unavailable(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprint(w, "cannot serve ", r.Header, r.PostForm, secret)
}
