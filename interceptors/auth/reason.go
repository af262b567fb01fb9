package auth

import "net/http"

// A Reason says why a call was refused. The list is closed, and the same
// refusal has the same Reason on every transport. On the wire it is the reason
// of a google.rpc.ErrorInfo whose domain is [Domain].
//
// The zero value is [AuthFailure], so that a forgotten Reason is a refusal of
// our own making and never a pass.
type Reason uint8

// ErrorDomain is the domain of the google.rpc.ErrorInfo that carries a [Reason].
const ErrorDomain = "ostiary"

// The reasons. Those up to and including TokenRevoked concern the token and
// answer UNAUTHENTICATED; those from SessionPending on concern what a known
// caller may do and answer PERMISSION_DENIED.
const (
	AuthFailure Reason = iota // our own fault; never a pass

	TokenMissing            // no bearer token was sent
	CredentialsAmbiguous    // more than one credential was sent
	TokenMalformed          // not a JWT in compact form (RFC 7519, RFC 7515)
	TokenTooLarge           // longer than the server reads
	TokenKindUnsupported    // a kind of token that the issuer's tokens are not accepted as
	AlgorithmNotAllowed     // signed with an algorithm outside the allow-list or not the key's own
	KeyUnknown              // signed with a key that its issuer does not publish
	SignatureInvalid        // the signature does not match
	TokenExpired            // exp has passed (RFC 7519, section 4.1.4)
	TokenNotYetValid        // nbf or iat lies in the future (sections 4.1.5, 4.1.6)
	TokenLifetimeTooLong    // exp − iat is over the longest accepted lifetime
	IssuerUntrusted         // iss is not an issuer that is trusted here
	AudienceMismatch        // aud does not name this service
	AuthorizedPartyMismatch // azp is not a party that is accepted here
	ClaimMissing            // a required claim is absent
	ClaimInvalid            // a claim has the wrong type or an absurd value
	TokenBindingUnchecked   // the token is bound to a key (cnf, RFC 7800), and nothing here checks the binding
	TokenRevoked            // the token, its session or its subject was revoked

	SessionPending         // the user has still something to do before the session counts
	KindNotAllowed         // the method does not accept this kind of token
	OrganizationRequired   // the caller acts in no organization
	RoleRequired           // the caller has none of the roles asked for
	PermissionRequired     // the caller lacks a permission
	ScopeRequired          // the token lacks a scope (RFC 6750, section 3.1)
	FeatureRequired        // neither a feature nor a plan of the caller allows this
	ReverificationRequired // the last verification is too long ago (RFC 9470)
	ConditionNotMet        // the condition on the request does not hold

	KeysUnavailable  // the issuer's keys could not be had, or are too old to trust
	RevocationsStale // the list of revocations is too old, and the operator chose to refuse

	reasonCount
)

// reasonInfo is all that is known of a reason. The message says what a caller
// can do; it never says what the server holds.
type reasonInfo struct {
	name    string
	code    Code
	message string
}

var reasons = [reasonCount]reasonInfo{
	AuthFailure: {"AUTH_FAILURE", CodeInternal, "the server could not check this call; the fault is on its side"},

	TokenMissing:            {"TOKEN_MISSING", CodeUnauthenticated, "send a bearer token in the Authorization header"},
	CredentialsAmbiguous:    {"CREDENTIALS_AMBIGUOUS", CodeUnauthenticated, "send exactly one Authorization header with exactly one token"},
	TokenMalformed:          {"TOKEN_MALFORMED", CodeUnauthenticated, "the credential is not a well-formed JWT; send the token just as it was issued, after Bearer and one space"},
	TokenTooLarge:           {"TOKEN_TOO_LARGE", CodeUnauthenticated, "the token is too large; have it issued with fewer claims"},
	TokenKindUnsupported:    {"TOKEN_KIND_UNSUPPORTED", CodeUnauthenticated, "this kind of token is not accepted here; send an access token for this service"},
	AlgorithmNotAllowed:     {"ALGORITHM_NOT_ALLOWED", CodeUnauthenticated, "the token is signed with an algorithm that is not accepted for its key"},
	KeyUnknown:              {"KEY_UNKNOWN", CodeUnauthenticated, "the token is signed with a key that its issuer does not publish; fetch a fresh token"},
	SignatureInvalid:        {"SIGNATURE_INVALID", CodeUnauthenticated, "the token's signature does not match; send the token just as it was issued"},
	TokenExpired:            {"TOKEN_EXPIRED", CodeUnauthenticated, "the token has expired; fetch a fresh one and try again"},
	TokenNotYetValid:        {"TOKEN_NOT_YET_VALID", CodeUnauthenticated, "the token is not valid yet; compare the clocks of issuer and server, then try again"},
	TokenLifetimeTooLong:    {"TOKEN_LIFETIME_TOO_LONG", CodeUnauthenticated, "the token lives longer than is accepted; have it issued with a shorter lifetime"},
	IssuerUntrusted:         {"ISSUER_UNTRUSTED", CodeUnauthenticated, "the token's issuer is not trusted here; sign in with this service's own provider"},
	AudienceMismatch:        {"AUDIENCE_MISMATCH", CodeUnauthenticated, "the token was not issued for this service; request one for its audience"},
	AuthorizedPartyMismatch: {"AUTHORIZED_PARTY_MISMATCH", CodeUnauthenticated, "the token was issued to an application that is not accepted here"},
	ClaimMissing:            {"CLAIM_MISSING", CodeUnauthenticated, "the token lacks a claim that is required here"},
	ClaimInvalid:            {"CLAIM_INVALID", CodeUnauthenticated, "a claim of the token has an invalid value"},
	TokenBindingUnchecked:   {"TOKEN_BINDING_UNCHECKED", CodeUnauthenticated, "the token is bound to a key, which cannot be proven here; request a bearer token that is not bound"},
	TokenRevoked:            {"TOKEN_REVOKED", CodeUnauthenticated, "the session was ended; sign in again"},

	SessionPending:         {"SESSION_PENDING", CodePermissionDenied, "sign-in is not complete; finish the outstanding step and try again"},
	KindNotAllowed:         {"KIND_NOT_ALLOWED", CodePermissionDenied, "this method does not accept this kind of token"},
	OrganizationRequired:   {"ORGANIZATION_REQUIRED", CodePermissionDenied, "choose an organization and try again"},
	RoleRequired:           {"ROLE_REQUIRED", CodePermissionDenied, "your role does not allow this"},
	PermissionRequired:     {"PERMISSION_REQUIRED", CodePermissionDenied, "you lack a permission that this method requires"},
	ScopeRequired:          {"SCOPE_REQUIRED", CodePermissionDenied, "the token lacks a scope that this method requires; request one that has it"},
	FeatureRequired:        {"FEATURE_REQUIRED", CodePermissionDenied, "your plan does not include this"},
	ReverificationRequired: {"REVERIFICATION_REQUIRED", CodePermissionDenied, "verify yourself again, then try again"},
	ConditionNotMet:        {"CONDITION_NOT_MET", CodePermissionDenied, "this request does not meet the method's condition"},

	KeysUnavailable:  {"KEYS_UNAVAILABLE", CodeUnavailable, "the keys to check the token are not available now; try again shortly"},
	RevocationsStale: {"REVOCATIONS_STALE", CodeUnavailable, "the server cannot check now whether the token was revoked; try again shortly"},
}

// Reasons returns every Reason, in a stable order.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// ParseReason returns the reason with the given name on the wire, such as
// TOKEN_EXPIRED. It reports false for any other text, as a newer server may send
// one.
func ParseReason(name string) (Reason, bool) {
	for i := range reasons {
		if reasons[i].name == name {
			return Reason(i), true
		}
	}
	return AuthFailure, false
}

func (r Reason) info() *reasonInfo {
	if r >= reasonCount {
		return &reasons[AuthFailure]
	}
	return &reasons[r]
}

// String returns the name on the wire, such as TOKEN_EXPIRED.
func (r Reason) String() string { return r.info().name }

// Message returns a sentence that says what the caller can do.
func (r Reason) Message() string { return r.info().message }

// Code returns the status code that Connect and gRPC share.
func (r Reason) Code() Code { return r.info().code }

// HTTPStatus returns the status for plain HTTP: 401, 403, 503 or 500.
func (r Reason) HTTPStatus() int { return r.Code().HTTPStatus() }

// A Code is a status code with the number that Connect and gRPC share. Only
// the codes of a refusal are named here.
type Code uint32

// The codes of a refusal.
const (
	CodePermissionDenied Code = 7
	CodeInternal         Code = 13
	CodeUnavailable      Code = 14
	CodeUnauthenticated  Code = 16
)

// String returns the name that Connect uses on the wire, such as
// unauthenticated.
func (c Code) String() string {
	switch c {
	case CodeUnauthenticated:
		return "unauthenticated"
	case CodePermissionDenied:
		return "permission_denied"
	case CodeUnavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// HTTPStatus returns the HTTP status that the Connect protocol gives the code.
func (c Code) HTTPStatus() int {
	switch c {
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodePermissionDenied:
		return http.StatusForbidden
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
