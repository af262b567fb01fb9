// Package auth is the vocabulary of ostiary: who is calling ([Identity]), what
// they call ([Call]), why they are refused ([Error], [Reason]), and the one
// thing that every transport asks ([Guard]).
//
// A handler reads who is calling from its context:
//
//	id, ok := auth.FromContext(ctx)
//	if !ok {
//		// a public method, called without a token
//	}
//	log.Println(id.Subject, id.SessionID)
//
// A server is guarded by giving a Guard to the adapter of its transport:
// connectauth for connect-go, grpcauth for grpc-go, httpauth for net/http.
// The Guard wants an [Authenticator] (token.Verifier is one) and a [Policy]
// (policy.Policy is one); both are interfaces, so either can be your own.
//
// A caller can keep the body of a call back, so the Guard is asked again when the
// request is there ([Guard.CheckRequest]).
//
// A stream, or a request of net/http, lives on after the decision, so it holds a lease ([StreamTerms]): it
// ends when the token does, goes on when any call of the same caller brings a newer
// token, and ends at once when one of the two is revoked. [CurrentIdentity] and [WatchIdentity]
// return the identity of the newest token.
//
// The package knows no transport.
package auth
