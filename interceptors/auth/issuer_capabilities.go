package auth

// IssuerCapabilities say what the tokens of one issuer can prove, by the issuer's
// settings. The zero value of a field means that no token of the issuer has it.
type IssuerCapabilities struct {
	// Issuer is the iss claim.
	Issuer string
	// Kinds are the kinds of token that are accepted.
	Kinds []TokenKind
	// Organization is whether a caller may act in one.
	Organization bool
	// Roles is whether a caller may have any, and so for the others.
	Roles       bool
	Permissions bool
	Scopes      bool
	Features    bool
	Plans       bool
	// Verification is whether a token may say when, how or by which class of methods
	// its user was verified; see [Identity.Fresh] and ACR. No machine is ever verified.
	Verification bool
}
