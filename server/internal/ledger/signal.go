package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// signalProcedure tells the answers to messages of issuers from those to calls.
const signalProcedure = "signal"

// Signal revokes what a message of an issuer says. When it returns nil, that is in force,
// and on disk. A message that was acted on before, by any server with this database, changes
// nothing; nor does one that says what is in force already. Issuers are not asked to end
// the sessions: they have said so themselves.
func (l *Ledger) Signal(ctx context.Context, signal store.Signal, revocations ...revocation.Revocation) error {
	// What it revokes belongs to its name: some senders give two messages one ID.
	meaning := sha256.Sum256(fmt.Appendf(nil, "%q %#v", signal.MessageID, revocations))
	call := store.Call{Issuer: signal.Issuer, Subject: signal.Source, Procedure: signalProcedure, RequestID: hex.EncodeToString(meaning[:])}
	if _, answer, err := l.Answer(ctx, call); err != nil || answer != nil {
		return err
	}
	requests := make([]Request, len(revocations))
	for i, r := range revocations {
		var err error
		if requests[i], err = l.Prepare(Request{Revocation: r}); err != nil {
			return fmt.Errorf("revocation %d of %d: %w", i+1, len(revocations), err)
		}
	}
	more, err := l.NotInForce(ctx, requests...)
	if err != nil {
		return err
	}
	answer := &store.Answer{Call: call, Hash: meaning[:], Encode: func([]store.Revocation) ([]byte, error) { return []byte("revoked"), nil }}
	_, err = l.Revoke(ctx, store.Origin{Kind: store.OriginSignal, Signal: signal}, answer, more...)
	if errors.Is(err, store.ErrAnswered) { // by another server, at the same time
		_, _, err = l.Answer(ctx, call)
	}
	return err
}
