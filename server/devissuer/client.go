package devissuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Why [Mint] got no token. Check with errors.Is; the text adds the server's
// address and its own words.
var (
	// ErrNotRunning means that nobody listens at the server's address.
	ErrNotRunning = errors.New("no server is running: start it with: ostiary dev")
	// ErrNoIssuer means that there is a server, but it mints no tokens.
	ErrNoIssuer = errors.New("this server has no development issuer: only the one of ostiary dev mints tokens")
	// ErrRefused means that the development issuer said no.
	ErrRefused = errors.New("the development issuer refuses")
)

// A Request says what token to mint.
type Request struct {
	// As is the name of a persona, such as ada. Required.
	As string
	// TTL is how long the token lives, from MinTTL to MaxTTL. 0 means the
	// persona's own: 60 seconds for a user's session, an hour for a machine.
	TTL time.Duration
	// Claims are merged over the persona's own. null takes a claim away; exp
	// is refused in favour of TTL.
	Claims map[string]json.RawMessage
	// NewSession signs the persona in anew: this token and those to come belong
	// to another session than those before.
	NewSession bool
}

// Mint asks the development issuer of a running `ostiary dev`, at a URL such as
// http://localhost:8080, for a token. It gives up after 10 seconds.
func Mint(ctx context.Context, serverURL string, request Request) (token string, err error) {
	a := ask{As: request.As, Claims: request.Claims, NewSession: request.NewSession}
	if request.TTL != 0 {
		a.TTL = request.TTL.String()
	}
	body, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url := strings.TrimSuffix(serverURL, "/") + "/dev/token"
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("server %q: %w", serverURL, err)
	}
	call.Header.Set("Content-Type", "application/json")
	call.Close = true // there is no second call

	response, err := new(http.Client).Do(call)
	if err != nil {
		var network *net.OpError
		if ctx.Err() == nil && errors.As(err, &network) && network.Op == "dial" {
			return "", fmt.Errorf("%s: %w", serverURL, ErrNotRunning)
		}
		return "", fmt.Errorf("ask the development issuer: %w", err)
	}
	defer response.Body.Close()
	return readAnswer(serverURL, response)
}

// readAnswer returns the issuer's answer, and an error for the answer of a server
// that is no development issuer.
func readAnswer(serverURL string, response *http.Response) (string, error) {
	var body struct {
		answer
		fault
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&body); err != nil {
		return "", fmt.Errorf("%s answers %s: %w", serverURL, response.Status, ErrNoIssuer)
	}
	switch {
	case body.Error != "":
		return "", fmt.Errorf("%w: %s", ErrRefused, body.Error)
	case response.StatusCode != http.StatusOK || body.Token == "":
		return "", fmt.Errorf("%s answers %s: %w", serverURL, response.Status, ErrNoIssuer)
	}
	return body.Token, nil
}
