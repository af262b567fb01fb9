package feed

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
)

// SecretIssuer is the issuer in the identities of those who send a secret.
const SecretIssuer = "feed_secret"

// Followers may follow the feed: machines, and holders of a secret. Nobody else may,
// operators included.
type Followers struct {
	permission string // "" for none
	secrets    *atomic.Pointer[[]secret]
}

// NewFollowers returns those with a permission, "" for none, and those with one of the secrets.
func NewFollowers(permission string, secrets []string) Followers {
	hashed := make([]secret, 0, len(secrets))
	for i, text := range secrets {
		hashed = append(hashed, secret{sha256.Sum256([]byte(text)), &auth.Identity{
			Issuer: SecretIssuer, Subject: fmt.Sprintf("feed_secret_%d", i+1), Kind: auth.KindMachine,
		}})
	}
	f := Followers{permission: permission, secrets: new(atomic.Pointer[[]secret])}
	f.secrets.Store(&hashed)
	return f
}

// current returns the secrets that count now.
func (f Followers) current() []secret {
	if f.secrets == nil {
		return nil
	}
	return *f.secrets.Load()
}

// ReplaceSecrets has those of the others count from now on. One that is among both has the
// same identity as before, by which those who are connected with it are known.
func (f Followers) ReplaceSecrets(by Followers) {
	secrets := slices.Clone(by.current())
	for i, secret := range secrets {
		for _, before := range f.current() {
			if before.hash == secret.hash {
				secrets[i] = before
			}
		}
	}
	f.secrets.Store(&secrets)
}

// A secret is one that a follower can send instead of a token.
type secret struct {
	hash     [sha256.Size]byte
	identity *auth.Identity // of those that send it
}

// Require refuses callers who may not follow.
func (f Followers) Require(id *auth.Identity) error {
	if f.Include(id) {
		return nil
	}
	return &auth.Error{
		Reason:  auth.PermissionRequired,
		Message: "only a service that has the permission of followers may do this; ask an operator of this server for it, or for a secret",
		Cause:   errors.New("the caller is no machine with feed_permission, and has not sent a feed_secret"),
	}
}

// Include reports whether the caller may follow.
func (f Followers) Include(id *auth.Identity) bool {
	if slices.ContainsFunc(f.current(), func(s secret) bool { return s.identity == id }) {
		return true
	}
	return f.permission != "" && id.Kind == auth.KindMachine && id.Actor == nil && (id.HasPermission(f.permission) || id.HasScope(f.permission))
}

// An Authenticator accepts secrets, and tokens as the verifier does.
type Authenticator struct {
	*token.Verifier

	Followers Followers
}

// Authenticate implements auth.Authenticator. How long it takes does not depend on the
// secrets.
func (a Authenticator) Authenticate(ctx context.Context, call auth.Call) (*auth.Identity, error) {
	secrets := a.Followers.current()
	if len(secrets) > 0 {
		sent, err := auth.BearerToken(call.Header)
		if err != nil {
			return nil, err
		}
		hash := sha256.Sum256([]byte(sent))
		var found *auth.Identity
		for _, secret := range secrets {
			if subtle.ConstantTimeCompare(hash[:], secret.hash[:]) == 1 {
				found = secret.identity
			}
		}
		if found != nil {
			return found, nil
		}
	}
	id, err := a.Verifier.Authenticate(ctx, call)
	if reason, refused := auth.ReasonOf(err); refused && reason == auth.TokenMalformed {
		cause := "no feed_secret is like it, nor is it a token"
		if len(secrets) == 0 {
			cause = "it is no token, and no feed_secret is set"
		}
		return nil, &auth.Error{Reason: reason, Cause: fmt.Errorf("%s: %w", cause, auth.AsError(err).Cause),
			Message: "the credential is neither a feed secret of this server nor a token; compare it with the server's feed_secret"}
	}
	return id, err
}

// Revocations do not tell the guard of what is new, so that a stream of the feed can
// send the revocation of its follower's token before it ends by it. The guard refuses
// calls at once, and ends such a stream within a minute if it has not ended itself.
type Revocations struct{ auth.Revocations }

// Watch implements auth.Revocations.
func (Revocations) Watch(func()) (stop func()) { return func() {} }

// A followerLog says who comes and goes, up to ten times in a second.
type followerLog struct {
	log *slog.Logger

	mu      sync.Mutex
	second  time.Time
	lines   int
	leftOut int
}

func (l *followerLog) write(ctx context.Context, now time.Time, state string, follower *feedv1.Follower, more ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Truncate(time.Second); !second.Equal(l.second) {
		l.second, l.lines = second, 0
	}
	if l.lines++; l.lines > 10 {
		l.leftOut++
		return
	}
	attrs := append([]any{"state", state, "service", follower.GetService(), "instance_id", follower.GetInstanceId(), "left_out", l.leftOut}, more...)
	l.log.InfoContext(ctx, "follower", attrs...)
	l.leftOut = 0
}
