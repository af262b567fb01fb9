package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/revokedlog"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// openLedger opens the database, and begins to send what is revoked.
func (s *Server) openLedger(ctx context.Context) error {
	var err error
	if s.enders, err = newEnders(s.config); err != nil {
		return err
	}
	db, err := ledger.OpenStore(ctx, storeConfig(s.config))
	if err != nil {
		return err
	}
	settings := ledgerConfig(s.config, s.enders)
	settings.MaxEvents = s.tuning.maxEvents
	if s.ledger, err = ledger.Open(ctx, db, settings); err != nil {
		return err
	}
	s.revokedLog = revokedlog.Start(revokedlog.Config{Find: db.Strongest, Now: s.config.Now, Logger: s.log}) //nolint:contextcheck // it lives as long as the server
	s.startTransmitter(ctx, db)
	return nil
}

// ledgerConfig says what the ledger keeps, and for how long.
func ledgerConfig(c settings.Config, clerks map[string]*outbox.Clerk) ledger.Config {
	enders := make(map[string]outbox.Ender, len(clerks))
	for issuer, clerk := range clerks {
		enders[issuer] = clerk
	}
	return ledger.Config{
		Retention:   c.SessionRetention,
		MaxLifetime: longestLifetime(c),
		MaxIDBytes:  longestToken(c),
		Skews:       skews(c),
		Change:      changeMessage,
		Enders:      enders,
		Now:         c.Now,
		Log:         c.Logger,
	}
}

// newEnders returns what ends sessions at their issuers, by issuer.
func newEnders(c settings.Config) (map[string]*outbox.Clerk, error) {
	enders := make(map[string]*outbox.Clerk)
	for _, issuer := range c.Issuers {
		key, err := issuer.ReadSecretKey()
		if err != nil {
			return nil, err
		}
		if key != "" {
			c.Logger.Info("sessions that are ended here are ended at their issuer, too", "issuer", issuer.URL)
			enders[issuer.URL] = outbox.NewClerk(outbox.ClerkConfig{SecretKey: key, URL: issuer.APIURL, KeysURL: keysURL(&issuer)})
		}
	}
	return enders, nil
}

// keysURL returns where Clerk publishes the keys of the issuer; "" where nothing is fetched,
// or not from Clerk itself.
func keysURL(i *settings.Issuer) string {
	if i.JWTKey != "" || i.CAFile != "" || i.TokenFile != "" {
		return ""
	}
	return i.RemoteConfig().URL
}

// longestLifetime returns how long a token can be accepted that is issued now.
func longestLifetime(c settings.Config) time.Duration {
	var longest time.Duration
	for _, issuer := range c.Issuers {
		// The issuer's clock may be ahead of ours by as much as the skew, too.
		lifetime := cmp.Or(issuer.MaxLifetime, token.DefaultMaxLifetime)
		longest = max(longest, lifetime+2*skew(&issuer))
	}
	return longest
}

// longestToken returns the length of the longest token that is accepted, which no id in one
// exceeds; and not less than the default, as longer ones may have been accepted before.
func longestToken(c settings.Config) int {
	longest := token.DefaultMaxTokenBytes
	for _, issuer := range c.Issuers {
		profile, _ := issuer.TokenProfile() // New has checked it
		longest = max(longest, cmp.Or(issuer.MaxTokenBytes, profile.MaxTokenBytes))
	}
	return longest
}

// skews are those of the issuers that are trusted, by the name that identities have.
func skews(c settings.Config) map[string]time.Duration {
	skews := make(map[string]time.Duration, len(c.Issuers))
	for _, issuer := range c.Issuers {
		for _, name := range issuer.Names() {
			skews[name] = skew(&issuer)
		}
	}
	return skews
}

// skew returns Skew with its default, and 0 for none.
func skew(i *settings.Issuer) time.Duration { return max(cmp.Or(i.Skew, token.DefaultSkew), 0) }

// changeMessage returns what followers get of a revocation.
func changeMessage(r store.Revocation) *feedv1.Change {
	return &feedv1.Change{Change: &feedv1.Change_Revoked{Revoked: &feedv1.Revoked{
		RevocationId:     base64.RawURLEncoding.EncodeToString(r.ID[:]),
		Target:           targetMessage(r.Target),
		IssuedBeforeTime: timeMessage(r.IssuedBefore),
		ExpireTime:       timeMessage(r.ExpiresAt),
		CreateTime:       timeMessage(r.CreatedAt),
	}}}
}
