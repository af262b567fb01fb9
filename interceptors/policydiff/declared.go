package policydiff

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/internal/ruleschema"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// A declaration is the rule that a schema gives a method. The Method is nil for a built-in
// rule of which the schema has no method.
type declaration struct {
	policy.Entry

	err error // why the rule cannot be read
	own bool  // whether one of the given files declares it

	terms *terms // set by side.terms
	shape *shape // set by side.shape
}

// A side is one of the two schemas: the rules of its files and of all that they import,
// by procedure.
type side map[string]*declaration

func declaredIn(files []protoreflect.FileDescriptor) side {
	all := make(side)
	builtIn, _ := policy.New() // without other rules it cannot fail
	for _, entry := range builtIn.Entries() {
		all[entry.Procedure] = &declaration{Entry: entry, own: true}
	}
	read := make(map[string]bool)
	for _, file := range files {
		all.add(file, true)
		read[file.Path()] = true
	}
	for _, imported := range ruleschema.WithImports(files...) {
		if !read[imported.Path()] {
			all.add(imported, false)
		}
	}
	return all
}

func (s side) add(file protoreflect.FileDescriptor, own bool) {
	for i := range file.Services().Len() {
		methods := file.Services().Get(i).Methods()
		for j := range methods.Len() {
			method := methods.Get(j)
			entry, err := policy.DeclaredRule(method)
			if builtIn, has := s[entry.Procedure]; has && entry.Rule == nil && err == nil {
				entry.Rule, entry.Origin = builtIn.Rule, builtIn.Origin
			}
			s[entry.Procedure] = &declaration{Entry: entry, err: err, own: own}
		}
	}
}

// ownOfEither returns the procedures that the given files of either side declare,
// sorted.
func ownOfEither(was, is side) []string {
	own := make(map[string]bool)
	for _, s := range []side{was, is} {
		for procedure, d := range s {
			if d.own {
				own[procedure] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(own))
}

// without returns the methods that only this side has, sorted.
func (s side) without(other side) []*declaration {
	var only []*declaration
	for _, procedure := range slices.Sorted(maps.Keys(s)) {
		if _, both := other[procedure]; !both {
			only = append(only, s[procedure])
		}
	}
	return only
}
