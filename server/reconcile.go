package server

import "time"

// reconcile has the issuers whose messages are received asked about sessions after an
// outage, in which messages may have been missed.
func (s *Server) reconcile() {
	var issuers []string
	for _, issuer := range s.inbox.Issuers() {
		if s.ledger.EndsAtIssuer(issuer) {
			issuers = append(issuers, issuer)
			continue
		}
		s.log.Info("what an issuer says while this server or its database is down can be missed; tokens of these sessions are accepted until they expire", "issuer", issuer,
			"remedy", "where it is Clerk, set secret_key: then Clerk is asked afterwards")
	}
	if len(issuers) > 0 {
		s.ledger.Reconcile(issuers...)
	}
}

// reconciliation is what an issuer has said after the last outage.
type reconciliation struct {
	Issuer     string    `json:"issuer"`
	Since      time.Time `json:"since"` // when the outage began
	FinishedAt time.Time `json:"finished_at"`
	Open       int       `json:"open"`    // sessions, when it began
	Ended      int       `json:"ended"`   // that had ended at the issuer, and are revoked now
	Unknown    int       `json:"unknown"` // of which the issuer has said nothing
}

func (s *Server) reconciliations() []reconciliation {
	var all []reconciliation
	for _, r := range s.ledger.Reconciliations() {
		all = append(all, reconciliation(r))
	}
	return all
}
