package policydiff

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/reads"
	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
)

// Terms are a rule in a form for comparing: names that auth.Identity treats as the same
// are spelled the same.
type terms struct {
	rule   *policyv1.Rule
	method protoreflect.MethodDescriptor // nil where there is no schema

	known  bool // whether this version knows every part
	usable bool // whether it says who may call

	kinds, roles, permissions, scopes, features, plans names

	condition  string            // canonical; "" for none
	expression *reads.Expression // nil for none, and for one that cannot be parsed
	read       *reads.Request    // set by reads

	handler string

	stream       auth.StreamTerms
	streamFaults bool // whether the stream part is invalid
}

func termsOf(rule *policyv1.Rule, method protoreflect.MethodDescriptor) *terms {
	require := rule.GetRequire()
	stream, faults := ruleschema.StreamTerms(rule.GetStream())
	t := &terms{
		rule: rule, method: method,
		known: ruleschema.Known(rule.ProtoReflect()), usable: rule.GetAccess() != nil,
		kinds:        kindNames(require.GetKinds()),
		roles:        orgNames(require.GetAnyRole()),
		permissions:  orgNames(require.GetAllPermissions()),
		scopes:       namesOf(require.GetAllScopes()),
		features:     scopedNames(require.GetAnyFeature()),
		plans:        scopedNames(require.GetAnyPlan()),
		condition:    strings.TrimSpace(require.GetCondition()),
		handler:      strings.TrimSpace(rule.GetHandlerRequires()),
		stream:       stream,
		streamFaults: len(faults) > 0,
	}
	if expression, err := reads.Parse(t.condition); err == nil && t.condition != "" {
		t.expression, t.condition = expression, expression.String()
	}
	return t
}

// of returns the terms of a declaration, which are read once.
func (d *declaration) of() *terms {
	if d.terms == nil {
		d.terms = termsOf(d.Rule, d.Method)
	}
	return d.terms
}

// reads returns what the condition reads of the request, which is computed once.
func (t *terms) reads() reads.Request {
	if t.read == nil {
		read := t.expression.Reads(t.method.Input())
		t.read = &read
	}
	return *t.read
}

// Names are the names of one part of a rule, sorted, each once.
type names []string

func namesOf(all []string) names { return slices.Compact(slices.Sorted(slices.Values(all))) }

// without returns the names that are not among the others.
func (n names) without(others names) names {
	var left names
	for _, name := range n {
		for len(others) > 0 && others[0] < name {
			others = others[1:]
		}
		if len(others) == 0 || others[0] != name {
			left = append(left, name)
		}
	}
	return left
}

// kindNames returns none if all kinds are named, which means the same as no name.
func kindNames(kinds []policyv1.TokenKind) names {
	var all []string
	for _, kind := range kinds {
		all = append(all, ruleschema.TokenKind(kind).String())
	}
	for kind := range policyv1.TokenKind_name {
		if kind != 0 && !slices.Contains(kinds, policyv1.TokenKind(kind)) {
			return namesOf(all)
		}
	}
	return nil
}

// orgNames writes roles and permissions with exactly one org: prefix.
func orgNames(all []string) names {
	same := make([]string, len(all))
	for i, name := range all {
		for strings.HasPrefix(name, orgScope) {
			name = strings.TrimPrefix(name, orgScope)
		}
		same[i] = orgScope + name
	}
	return namesOf(same)
}

// The prefixes of a feature or plan of the organization, of the user, and of any other
// scope.
const (
	orgScope   = "org:"
	userScope  = "user:"
	otherScope = "~:" // sorts after the others
)

// scopedNames writes features and plans with the prefix org: or user:. One without
// prefix, which any scope meets, is written with each of them, and with otherScope.
func scopedNames(all []string) names {
	var same []string
	for _, name := range all {
		scope, bare, scoped := strings.Cut(name, ":")
		switch {
		case !scoped:
			same = append(same, orgScope+name, userScope+name, otherScope+name)
		case scope == "o", scope == "organization":
			same = append(same, orgScope+bare)
		case scope == "u":
			same = append(same, userScope+bare)
		default:
			same = append(same, name)
		}
	}
	return namesOf(same)
}

// alternatives writes names of which one is required.
func alternatives(all names) words {
	return func() string { return ruleschema.Quoted(all, " or ") }
}

// scopedAlternatives writes names of scopedNames: a name with every prefix is written
// without one, as in a rule.
func scopedAlternatives(all names) words {
	return func() string {
		var short []string
		for _, name := range all {
			scope, bare, _ := strings.Cut(name, ":")
			everyScope := true
			for _, other := range []string{orgScope, userScope, otherScope} {
				_, found := slices.BinarySearch(all, other+bare)
				everyScope = everyScope && found
			}
			switch other := scope+":" == otherScope; {
			case everyScope && other:
				short = append(short, strconv.Quote(bare))
			case everyScope:
			case other:
				short = append(short, "any other "+strconv.Quote(bare))
			default:
				short = append(short, strconv.Quote(name))
			}
		}
		return strings.Join(short, " or ")
	}
}

// every writes names that are all required, with the verb.
func every(all names) words {
	return func() string {
		if len(all) == 1 {
			return ruleschema.Quoted(all, "") + " is"
		}
		return ruleschema.Quoted(all, " and ") + " are"
	}
}
