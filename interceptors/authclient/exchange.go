package authclient

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// ExchangeCaller gives tokens for another service in the name of the caller, for which
// it exchanges the token of the call that is being handled ([auth.CallerToken]) at the
// authorization server (RFC 8693):
//
//	source, err := authclient.ExchangeCaller(endpoint, authclient.TokenTarget{Audience: "invoices"})
//	client := invoicev1connect.NewInvoiceServiceClient(http.DefaultClient, api, connectauth.WithToken(api, source))
//
// Unlike that of [RelayCaller], the token is for that service alone.
//
// Each token of each caller is exchanged once, and what it was exchanged for is kept as
// with [ClientCredentials], for this target and for calls with that very token alone. It
// is given to nobody once the caller's token has expired or was revoked, and then leaves
// memory with one of the next exchanges. At most 10,000 are kept.
//
// It needs the context of a guarded call that was made with a token that still counts; in
// any other it is an error, which is an *auth.Error where the token no longer counts.
// Otherwise errors and settings are as with ClientCredentials. Parameters of the endpoint
// can give another subject_token_type than that of access tokens.
func ExchangeCaller(endpoint TokenEndpoint, target TokenTarget) (TokenSource, error) {
	parameters := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}}
	if !endpoint.Parameters.Has("subject_token_type") {
		parameters.Set("subject_token_type", "urn:ietf:params:oauth:token-type:access_token")
	}
	request, err := newRequest(endpoint, target, parameters)
	if err != nil {
		return nil, fmt.Errorf("authclient.ExchangeCaller: %w", err)
	}
	e := &exchanges{request: request, limit: maxExchanges, byToken: make(map[[sha256.Size]byte]*exchange)}
	return TokenFunc(e.token), nil
}

const (
	maxExchanges = 10_000
	sweepEvery   = time.Second
)

// exchanges are the tokens that were exchanged, by the hash of the caller's token.
type exchanges struct {
	request *tokenRequest
	limit   int

	mu      sync.Mutex // guards what follows
	byToken map[[sha256.Size]byte]*exchange
	swept   time.Time
}

// An exchange is what one token of a caller was exchanged for.
type exchange struct {
	*cachedToken

	counts func() error // whether the caller's token does
}

func (e *exchanges) token(ctx context.Context) (string, error) {
	subject, err := auth.CallerToken(ctx)
	if err != nil {
		return "", fmt.Errorf("no caller whose token can be exchanged: %w", err)
	}
	return e.of(ctx, subject).get(ctx, func(ctx context.Context) (issuedToken, error) {
		return e.request.send(ctx, url.Values{"subject_token": {subject}})
	})
}

// of returns the exchange of a caller's token, a new one if there is none.
func (e *exchanges) of(ctx context.Context, subject string) *exchange {
	key := sha256.Sum256([]byte(subject))
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.byToken[key]; known != nil {
		return known
	}
	e.sweep()
	for old := range e.byToken {
		if len(e.byToken) < e.limit {
			break
		}
		delete(e.byToken, old)
	}
	added := &exchange{cachedToken: newCachedToken(e.request.endpoint.Now), counts: auth.CallerCheck(ctx)}
	e.byToken[key] = added
	return added
}

// sweep drops what belongs to tokens that no longer count.
func (e *exchanges) sweep() {
	now := e.request.endpoint.Now()
	if now.Sub(e.swept) < sweepEvery {
		return
	}
	e.swept = now
	for key, known := range e.byToken {
		if known.counts() != nil {
			delete(e.byToken, key)
		}
	}
}
