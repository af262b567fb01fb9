package server

import (
	"errors"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// adminRole is the role whose bearers look after an organization.
const adminRole = "org:admin"

// operators may see and end every session. They act in person: an impersonator
// of one is no operator, and an application that acts for one is an operator only
// with the permission as a scope.
type operators struct{ *atomic.Pointer[operatorSet] }

// An operatorSet is who the operators are by the settings.
type operatorSet struct {
	subjects   map[subject]bool
	permission string // "" for none
}

// current returns who they are now; nobody for the zero value.
func (o operators) current() *operatorSet {
	if o.Pointer == nil {
		return new(operatorSet)
	}
	return o.Load()
}

// A subject names a user only together with its issuer.
type subject struct{ issuer, id string }

// operatorsOf returns those of the settings. A subject that is at fault is none.
func operatorsOf(c settings.Config) operators {
	set := &operatorSet{subjects: make(map[subject]bool), permission: c.OperatorPermission}
	for _, written := range c.OperatorSubjects {
		if issuer, id, err := c.OperatorSubject(written); err == nil {
			set.subjects[subject{issuer, id}] = true
		}
	}
	o := operators{new(atomic.Pointer[operatorSet])}
	o.Store(set)
	return o
}

func (o operators) include(id *auth.Identity) bool { return o.names(id) && o.empowers(id) }

// names reports whether the subject is an operator, also where somebody acts for it.
func (o operators) names(id *auth.Identity) bool {
	set := o.current()
	return set.subjects[subject{id.Issuer, id.Subject}] || set.permission != "" && id.HasPermission(set.permission)
}

// empowers reports whether the party that acts may act as an operator: the subject
// itself, or an application to which a scope by the name of the permission was
// granted. To sign in to an application hands it no more than its scopes.
func (o operators) empowers(id *auth.Identity) bool {
	permission := o.current().permission
	return inPerson(id) || id.Actor == nil && permission != "" && id.HasScope(permission)
}

// inPerson reports whether the subject acts itself: that it is not impersonated
// (RFC 8693, section 4.1), and that the token was not given to an application
// which acts for it (RFC 9068).
func inPerson(id *auth.Identity) bool { return id.Actor == nil && id.Kind != auth.KindOAuth }

// require refuses callers who are no operators.
func (o operators) require(id *auth.Identity) error {
	switch {
	case !o.names(id):
		return permissionRequired("only an operator of this server may do this; ask one, or have yourself made one",
			"the caller is no operator by operator_subjects or operator_permission")
	case !o.empowers(id):
		return permissionRequired("an operator must do this in person, and not through somebody or something that acts for the operator; sign in yourself",
			"an operator acts in person, and not by an actor, nor by an application without operator_permission as a scope")
	default:
		return nil
	}
}

// requireInPerson refuses callers who act for the subject.
func requireInPerson(id *auth.Identity) error {
	if inPerson(id) {
		return nil
	}
	return permissionRequired("an actor for a user can end only the session of the token; the user must do this in person",
		"an actor, or an application that acts for a user, ends no session but its own")
}

func permissionRequired(message, cause string) error {
	return &auth.Error{Reason: auth.PermissionRequired, Message: message, Cause: errors.New(cause)}
}

// maySignOut refuses callers other than the subject in person and operators.
func (o operators) maySignOut(id *auth.Identity, issuer, subject string) error {
	if o.include(id) {
		return nil
	}
	if issuer == id.Issuer && subject == id.Subject {
		return requireInPerson(id)
	}
	return o.require(id)
}

// view returns the sessions that a caller may see and end. The sessions of others
// are only for callers in person: an impersonator of an administrator, or an
// application that acts for one, sees no more than a member.
func (o operators) view(id *auth.Identity) store.View {
	if o.include(id) {
		return store.Everything()
	}
	view := store.View{{Issuer: id.Issuer, Subject: id.Subject}}
	if inPerson(id) && id.Organization.ID != "" && id.Organization.Role == adminRole {
		view = append(view, store.Filter{Issuer: id.Issuer, Organization: &id.Organization.ID})
	}
	return view
}
