package auth

// A Provision is what identities can have that the tokens of one issuer make, by the
// issuer's settings: the zero value of a field means that none ever has it. It says
// what is possible, not which tokens there are.
type Provision struct {
	// Issuer is the iss claim.
	Issuer string
	// Kinds are the kinds of token that are accepted.
	Kinds []Kind
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
