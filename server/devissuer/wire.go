package devissuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/server/internal/transport"
)

// maxBody is the most that is read of a request, in bytes.
const maxBody = 64 << 10

// An ask is the body of POST /dev/token.
type ask struct {
	As     string                     `json:"as"`
	TTL    string                     `json:"ttl,omitempty"` // as time.ParseDuration reads it
	Claims map[string]json.RawMessage `json:"claims,omitempty"`
	// NewSession signs the persona in anew.
	NewSession bool `json:"new_session,omitempty"`
}

// An answer is what POST /dev/token answers.
type answer struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// A fault is the body of every refusal.
type fault struct {
	Error string `json:"error"`
}

// readAsk reads the body, or returns the status to refuse it with. Only JSON is
// read: a web page from elsewhere cannot send that without asking first (the
// preflight of CORS).
func readAsk(w http.ResponseWriter, r *http.Request) (ask, int, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return ask{}, http.StatusUnsupportedMediaType, errors.New("send JSON: Content-Type: application/json")
	}
	var a ask
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&a)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil {
			err = errors.New("there is something behind the object")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return ask{}, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is over %d bytes: send fewer claims", maxBody)
	case err != nil:
		return ask{}, http.StatusBadRequest, fmt.Errorf(`send one object like {"as":"ada","ttl":"1h","claims":{}}: %w`, err)
	}
	if _, found := a.Claims["exp"]; found {
		return ask{}, http.StatusBadRequest, errors.New("set ttl and not the claim exp")
	}
	return a, http.StatusOK, nil
}

// ttl returns how long the token is to live, or usual when that is left open.
func (a ask) ttl(usual time.Duration) (time.Duration, error) {
	if a.TTL == "" {
		return usual, nil
	}
	ttl, err := time.ParseDuration(a.TTL)
	if err != nil || ttl < MinTTL || ttl > MaxTTL {
		return 0, fmt.Errorf("ttl %q: use a duration from %s to %s, such as 1h or 90s", a.TTL, MinTTL, MaxTTL)
	}
	return ttl, nil
}

func writeError(w http.ResponseWriter, status int, err error) {
	transport.WriteJSON(w, status, fault{Error: err.Error()})
}
