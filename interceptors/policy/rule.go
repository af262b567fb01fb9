package policy

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// rule is one compiled rule. The zero value asks for a valid token.
type rule struct {
	public         bool
	anyRole        []string
	allPermissions []string
	allScopes      []string
}

// Check decides about a caller; nil is one without a token. What is asked for
// is named in the cause, which only logs see.
func (r *rule) Check(id *auth.Identity) error {
	if id == nil {
		if r.public {
			return nil
		}
		return auth.NewError(auth.TokenMissing, nil)
	}
	if len(r.anyRole) > 0 && !slices.ContainsFunc(r.anyRole, id.HasRole) {
		return auth.Errorf(auth.RoleRequired, "needs one of the roles %q", r.anyRole)
	}
	for _, permission := range r.allPermissions {
		if !id.HasPermission(permission) {
			return auth.Errorf(auth.PermissionRequired, "needs the permission %q", permission)
		}
	}
	for _, scope := range r.allScopes {
		if !id.HasScope(scope) {
			return auth.Errorf(auth.ScopeRequired, "needs the scope %q", scope)
		}
	}
	return nil
}

func compile(r *policyv1.Rule) (*rule, error) {
	if r == nil {
		return nil, errors.New("no rule: set (ostiary.policy.v1.rule) on the method or (ostiary.policy.v1.default_rule) on its service")
	}
	if err := known(r); err != nil {
		return nil, err
	}
	switch access := r.GetAccess().(type) {
	case *policyv1.Rule_Public:
		return &rule{public: true}, known(access.Public)
	case *policyv1.Rule_Authenticated:
		return &rule{}, known(access.Authenticated)
	case *policyv1.Rule_Require:
		return compileRequire(access.Require)
	default:
		return nil, errors.New("the rule is empty: set one of public, authenticated or require")
	}
}

// known fails when a part of a rule was written for a newer version.
func known(part proto.Message) error {
	if len(part.ProtoReflect().GetUnknown()) > 0 {
		return errors.New("the rule has a part that this version does not know: update the server, so that nothing is left unenforced")
	}
	return nil
}

func compileRequire(r *policyv1.Require) (*rule, error) {
	if err := known(r); err != nil {
		return nil, err
	}
	compiled := &rule{
		anyRole:        r.GetAnyRole(),
		allPermissions: r.GetAllPermissions(),
		allScopes:      r.GetAllScopes(),
	}
	names := slices.Concat(compiled.anyRole, compiled.allPermissions, compiled.allScopes)
	if len(names) == 0 {
		return nil, errors.New("require names nothing: name a role, permission or scope, or use authenticated")
	}
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, " \t\r\n") || strings.Trim(name, ":") != name || name == "org" {
			return nil, errors.New("require holds an empty or ill-formed name, which nobody can have")
		}
	}
	return compiled, nil
}
