// Package devissuer is the development issuer of `ostiary dev`. It gives every
// caller a token of any persona, including an administrator's.
//
// FOR DEVELOPMENT ONLY. Nothing that it signs proves anything. Never trust its
// URL in a server that others can reach.
//
//	issuer, err := devissuer.New("http://localhost:8080")
//	mux.Handle("/.well-known/", issuer)
//	mux.Handle("/dev/", issuer)
//
// What keeps it to the machine it runs on: it signs for a loopback URL alone;
// its key dies with the process, or with [Open] is kept in a file that only its
// owner can read; and it answers only requests that come from loopback, are
// addressed to loopback (so that no name of an attacker's can be pointed at it),
// did not come through a proxy, and were not sent by a web page from elsewhere.
// [Issuer.AllowRemote] opens it to other machines, as between containers.
//
// It answers:
//
//	GET  /.well-known/jwks.json, openid-configuration, oauth-authorization-server
//	GET  /dev/personas            [{"name":"ada","title":…,"description":…},…]
//	POST /dev/token               {"as":"ada","ttl":"1h","claims":{"azp":"http://localhost:3000"}}
//	                              {"token":…,"expires_at":…}
//
// A refusal is {"error":…} with a sentence that says what to do. In Go, ask
// with [Mint].
package devissuer

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// The bounds of a token's lifetime.
const (
	MinTTL = time.Second
	MaxTTL = 24 * time.Hour
)

// An Issuer is the http.Handler described above. It is safe for concurrent use.
type Issuer struct {
	tokens *authtest.Issuer
	mux    *http.ServeMux
	remote bool     // whether other machines are answered
	hosts  []string // names besides those of loopback

	mu       sync.Mutex
	sessions map[string]string // the session of each persona that has signed in
}

// New returns an issuer whose tokens have issuerURL as their iss. It must be
// what the server that mounts the issuer is reached by: http or https, a
// loopback host, and nothing behind the port.
//
// Its key is a new one, so its tokens are good until the process ends; see
// [Open].
func New(issuerURL string) (*Issuer, error) {
	u, err := url.Parse(issuerURL)
	if err != nil {
		return nil, fmt.Errorf("development issuer: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || !loopback.Host(u.Hostname()) ||
		u.Scheme+"://"+u.Host != issuerURL {
		return nil, fmt.Errorf("development issuer %q: write it like http://localhost:8080, with a loopback host and nothing behind the port",
			u.Redacted())
	}
	iss := &Issuer{
		tokens:   authtest.New(issuerURL),
		mux:      http.NewServeMux(),
		sessions: make(map[string]string),
	}
	iss.mux.Handle("/.well-known/", iss.tokens)
	iss.mux.HandleFunc("GET /dev/personas", listPersonas)
	iss.mux.HandleFunc("POST /dev/token", iss.mintToken)
	return iss, nil
}

// ServeHTTP answers as the package comment says, and 403 to whatever does not
// come from this machine, or from whom AllowRemote lets in.
func (iss *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := iss.checkCaller(r); err != nil {
		writeError(w, http.StatusForbidden, err)
		return
	}
	iss.mux.ServeHTTP(w, r)
}

func listPersonas(w http.ResponseWriter, _ *http.Request) {
	transport.WriteJSON(w, http.StatusOK, Personas())
}

func (iss *Issuer) mintToken(w http.ResponseWriter, r *http.Request) {
	ask, status, err := readAsk(w, r)
	if err != nil {
		writeError(w, status, err)
		return
	}
	p, err := personaNamed(ask.As)
	if err != nil {
		writeError(w, http.StatusNotFound, err)
		return
	}
	ttl, err := ask.ttl(p.ttl)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if ask.NewSession {
		iss.signOut(p)
	}
	token, expires := iss.mint(p, ttl, ask.Claims)
	transport.WriteJSON(w, http.StatusOK, answer{Token: token, ExpiresAt: expires})
}

// mint signs a token of the persona, with claims merged over its own: null
// takes a claim away.
func (iss *Issuer) mint(p persona, ttl time.Duration, claims map[string]json.RawMessage) (token string, expires time.Time) {
	now := time.Now()
	edits := slices.Clone(p.edits)
	edits = append(edits, authtest.IssuedAt(now), authtest.ExpiresIn(ttl))
	sign := iss.tokens.Machine
	if !p.machine {
		sign = iss.tokens.Session
		edits = append(edits, authtest.With("sid", iss.session(p)))
	}
	for name, value := range claims {
		if string(value) == "null" {
			edits = append(edits, authtest.Without(name))
		} else {
			edits = append(edits, authtest.With(name, value))
		}
	}
	return sign(p.subject, edits...), now.Add(ttl).Truncate(time.Second).UTC()
}

// session returns the session of a persona, who signs in where there is none.
func (iss *Issuer) session(p persona) string {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	if iss.sessions[p.Name] == "" {
		iss.sessions[p.Name] = "sess_" + rand.Text()
	}
	return iss.sessions[p.Name]
}

func (iss *Issuer) signOut(p persona) {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	delete(iss.sessions, p.Name)
}

func personaNamed(name string) (persona, error) {
	var names []string
	for _, p := range personas() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return persona{}, fmt.Errorf("unknown persona %q: use one of %s", name, strings.Join(names, ", "))
}
