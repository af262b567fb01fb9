package condition

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/reads"
)

// The names of the types in conditions. No message has such a name, since the package
// ostiary has no messages.
const (
	identityType     = "ostiary.Identity"
	organizationType = "ostiary.Organization"
	actorType        = "ostiary.Actor"
)

// identityOptions declare the variable identity, its fields and its methods.
// Fields are read directly from an auth.Identity, without reflection or a copy, except
// for the claims.
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
				"issue_time":       timestamp(func(id *caller) time.Time { return id.IssuedAt }),
				"not_before_time":  timestamp(func(id *caller) time.Time { return id.NotBefore }),
				"expire_time":      timestamp(func(id *caller) time.Time { return id.ExpiresAt }),
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
		cel.Variable(reads.IdentityVariable, cel.ObjectType(identityType)),
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

// A structType shows a Go struct to conditions. It implements
// types.StructTypeDescriptor and ref.Type.
type structType struct {
	name   string
	goType reflect.Type // a pointer
	fields map[string]*types.FieldType
}

func (t *structType) ReflectType() reflect.Type { return t.goType }

func (t *structType) TypeName() string { return t.name }

func (t *structType) HasTrait(trait int) bool { return trait&traits.FieldTesterType == trait }

func (t *structType) FieldNames() []string { return slices.Sorted(maps.Keys(t.fields)) }

func (t *structType) FindFieldType(name string) (*types.FieldType, bool) {
	f, ok := t.fields[name]
	return f, ok
}

// NewValue keeps conditions from making identities of their own.
func (t *structType) NewValue(types.Adapter, map[string]ref.Val) ref.Val {
	return types.NewErr("%s cannot be made in a condition", t.name)
}

func (t *structType) Adapt(_ types.Adapter, value any) ref.Val { return structValue{t, value} }

// A structValue is a Go struct as a value: it has fields, equals only itself, and
// converts into nothing.
type structValue struct {
	typ   *structType
	value any // a pointer
}

func (v structValue) Type() ref.Type { return v.typ }

func (v structValue) Value() any { return v.value }

func (v structValue) Equal(other ref.Val) ref.Val {
	return types.Bool(v.value == other.Value())
}

func (v structValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s does not convert to %v", v.typ.name, t)
}

func (v structValue) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("%s does not convert to %s", v.typ.name, t.TypeName())
}

// errAbsent keeps an absent claim from being equal to an empty field of the request.
var errAbsent = errors.New("the token does not say; ask has() first")

func text[S any](get func(*S) string) *types.FieldType {
	return field(types.StringType, func(s *S) (ref.Val, bool) {
		value := get(s)
		return types.String(value), value != ""
	})
}

func timestamp[S any](get func(*S) time.Time) *types.FieldType {
	return field(types.TimestampType, func(s *S) (ref.Val, bool) {
		value := get(s)
		return types.Timestamp{Time: value}, !value.IsZero()
	})
}

// object is a field that holds another struct, nil when absent.
func object[S, T any](name string, get func(*S) *T) *types.FieldType {
	return field(types.NewObjectType(name), func(s *S) (*T, bool) {
		value := get(s)
		return value, value != nil
	})
}

// list is a field that can always be read; a list that is absent is empty.
func list[S any](get func(*S) []string) *types.FieldType {
	f := field(types.NewListType(types.StringType), func(s *S) ([]string, bool) { return get(s), true })
	f.IsSet = func(target any) bool {
		s, ok := target.(*S)
		return ok && len(get(s)) > 0
	}
	return f
}

func field[S, V any](celType *types.Type, get func(*S) (V, bool)) *types.FieldType {
	return &types.FieldType{
		Type: celType,
		IsSet: func(target any) bool {
			s, ok := target.(*S)
			if !ok {
				return false
			}
			_, set := get(s)
			return set
		},
		GetFrom: func(target any) (any, error) {
			s, ok := target.(*S)
			if !ok {
				return nil, fmt.Errorf("%T has no such field", target)
			}
			value, set := get(s)
			if !set {
				return nil, errAbsent
			}
			return value, nil
		},
	}
}
