package condition

import (
	"reflect"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// The names of the types in conditions. No message can be named like them, as
// the package ostiary holds none.
const (
	identityType     = "ostiary.Identity"
	organizationType = "ostiary.Organization"
	actorType        = "ostiary.Actor"
)

// identityOptions declare the variable identity, its fields and its methods.
// Fields are read straight from an auth.Identity, with neither reflection nor a
// copy in between, except for its claims.
func identityOptions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Types(
			&structType{name: identityType, goType: reflect.TypeFor[*caller](), fields: map[string]*types.FieldType{
				"issuer":           text(func(id *caller) string { return id.Issuer }),
				"subject":          text(func(id *caller) string { return id.Subject }),
				"kind":             text(func(id *caller) string { return id.Kind.String() }),
				"token_id":         text(func(id *caller) string { return id.TokenID }),
				"session_id":       text(func(id *caller) string { return id.SessionID }),
				"client_id":        text(func(id *caller) string { return id.ClientID }),
				"authorized_party": text(func(id *caller) string { return id.AuthorizedParty }),
				"organization":     object(organizationType, organization),
				"actor":            object(actorType, func(id *caller) *auth.Actor { return id.Actor }),
				"audience":         list(func(id *caller) []string { return id.Audience }),
				"roles":            list(func(id *caller) []string { return id.Roles }),
				"permissions":      list(func(id *caller) []string { return id.Permissions }),
				"scopes":           list(func(id *caller) []string { return id.Scopes }),
				"features":         list(func(id *caller) []string { return id.Features }),
				"plans":            list(func(id *caller) []string { return id.Plans }),
				"issued_at":        timestamp(func(id *caller) time.Time { return id.IssuedAt }),
				"not_before":       timestamp(func(id *caller) time.Time { return id.NotBefore }),
				"expires_at":       timestamp(func(id *caller) time.Time { return id.ExpiresAt }),
				"auth_time":        timestamp(func(id *caller) time.Time { return id.AuthTime }),
				"acr":              text(func(id *caller) string { return id.ACR }),
				"amr":              list(func(id *caller) []string { return id.AMR }),
				claimsName:         claimsField,
			}},
			&structType{name: organizationType, goType: reflect.TypeFor[*auth.Organization](), fields: map[string]*types.FieldType{
				"id":   text(func(o *auth.Organization) string { return o.ID }),
				"slug": text(func(o *auth.Organization) string { return o.Slug }),
				"role": text(func(o *auth.Organization) string { return o.Role }),
			}},
			&structType{name: actorType, goType: reflect.TypeFor[*auth.Actor](), fields: map[string]*types.FieldType{
				"issuer":     text(func(a *auth.Actor) string { return a.Issuer }),
				"subject":    text(func(a *auth.Actor) string { return a.Subject }),
				"session_id": text(func(a *auth.Actor) string { return a.SessionID }),
				"type":       text(func(a *auth.Actor) string { return a.Type }),
			}},
		),
		cel.Variable(identityVariable, cel.ObjectType(identityType)),
		method("hasRole", (*auth.Identity).HasRole),
		method("hasPermission", (*auth.Identity).HasPermission),
		method("hasScope", (*auth.Identity).HasScope),
		method("hasFeature", (*auth.Identity).HasFeature),
		method("hasPlan", (*auth.Identity).HasPlan),
	}
}

// A caller is the identity of one evaluation. It is for one goroutine.
type caller struct {
	*auth.Identity

	claims ref.Val // the token's payload, once it was read
}

func organization(id *caller) *auth.Organization {
	if id.Organization.ID == "" {
		return nil
	}
	return &id.Organization
}

// method declares a method of identity that takes a string and returns a bool.
func method(name string, call func(*auth.Identity, string) bool) cel.EnvOption {
	return cel.Function(name, cel.MemberOverload(identityOverload+name,
		[]*cel.Type{cel.ObjectType(identityType), cel.StringType}, cel.BoolType,
		cel.BinaryBinding(func(receiver, argument ref.Val) ref.Val {
			id, isIdentity := receiver.Value().(*caller)
			name, isString := argument.Value().(string)
			if !isIdentity || !isString {
				return types.MaybeNoSuchOverloadErr(argument)
			}
			return types.Bool(call(id.Identity, name))
		})))
}
