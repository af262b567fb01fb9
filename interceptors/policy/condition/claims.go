package condition

import (
	"fmt"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

const claimsName = "claims"

// claimsField is the token's payload: a map of whatever the issuer writes there.
var claimsField = field(types.NewMapType(types.StringType, types.DynType), (*caller).payload)

// isClaims returns a function that reports whether an expression may select the
// claims: of an identity, or of a value whose type is not known at start.
func isClaims(condition *cel.Ast) func(ast.Expr) bool {
	return func(e ast.Expr) bool {
		if e.Kind() != ast.SelectKind || e.AsSelect().FieldName() != claimsName {
			return false
		}
		of := condition.NativeRep().GetType(e.AsSelect().Operand().ID())
		return of.TypeName() == identityType || of.Kind() == types.DynKind
	}
}

// payload reads the claims at their first use, and keeps them for the rest of the
// evaluation: a loop may use them in each round.
func (c *caller) payload() (ref.Val, bool) {
	if c.claims == nil && c.RawClaims != "" {
		c.claims = payloadOf(c.RawClaims)
	}
	return c.claims, c.claims != nil
}

func payloadOf(raw string) ref.Val {
	object, err := strictjson.Parse(nil, raw)
	if err != nil {
		return types.NewErr("the claims cannot be read: %w", err)
	}
	return objectOf(object)
}

// A member of an object is read at its first use.
type member struct {
	raw   strictjson.Value
	value ref.Val // nil until then
}

// members is the adapter of objects.
type members struct{ types.Adapter }

func (m members) NativeToValue(v any) ref.Val {
	one, is := v.(*member)
	if !is {
		return m.Adapter.NativeToValue(v)
	}
	if one.value == nil {
		one.value = valueOf(one.raw)
	}
	return one.value
}

// objectOf leaves out members that are null, and valueOf elements that are: null means
// absent, as everywhere that tokens are read, so that it never equals a field that the
// request leaves out.
func objectOf(object strictjson.Object) ref.Val {
	byName, all := make(map[string]any, len(object)), make([]member, len(object))
	for i, m := range object {
		if m.Value.Kind() != 'n' {
			all[i].raw = m.Value
			byName[m.Name] = &all[i]
		}
	}
	return types.NewStringInterfaceMap(members{types.DefaultTypeAdapter}, byName)
}

// valueOf returns the CEL value of a JSON value that is not null.
func valueOf(v strictjson.Value) ref.Val {
	switch v.Kind() {
	case '{':
		object, _ := v.Members(nil) // it was read before, as a part of the whole
		return objectOf(object)
	case '[':
		var list []ref.Val
		v.Elements(func(e strictjson.Value) bool {
			if e.Kind() != 'n' {
				list = append(list, valueOf(e))
			}
			return true
		})
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	case '"':
		s, _ := v.Text()
		return types.String(s)
	case 't', 'f':
		return types.Bool(v == "true")
	default:
		return numberOf(string(v))
	}
}

// numberOf returns an int, or a double for a number with a fraction or an exponent.
// Using a number that neither can hold is an error, since it could equal another when
// rounded.
func numberOf(text string) ref.Val {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Int(n)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !isInteger(text) {
		return types.Double(f)
	}
	return types.WrapErr(fmt.Errorf("a claim has the number %.40s, which a condition cannot hold", text))
}

// isInteger reports whether a JSON number has neither fraction nor exponent.
func isInteger(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case '.', 'e', 'E':
			return false
		}
	}
	return true
}
