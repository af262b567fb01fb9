package policy

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A readDeclaration is a declaration, or why it cannot be read.
type readDeclaration struct {
	declaration

	method protoreflect.MethodDescriptor // nil for a built-in one that the schema does not have
	err    error
	own    bool // not merely imported
}

// A side is one schema of the two, by procedure: what is in force where its files
// and all that they import are served.
type side map[string]readDeclaration

func declaredIn(files []protoreflect.FileDescriptor) side {
	all := make(side)
	for _, procedure := range builtIn {
		all[procedure] = readDeclaration{declaration: builtInDeclaration(), own: true}
	}
	read := make(map[string]bool)
	for _, file := range files {
		all.add(file, true)
		read[file.Path()] = true
	}
	for _, file := range files {
		for _, imported := range withImports(file) {
			if !read[imported.Path()] {
				all.add(imported, false)
				read[imported.Path()] = true
			}
		}
	}
	return all
}

func (s side) add(file protoreflect.FileDescriptor, own bool) {
	for i := range file.Services().Len() {
		methods := file.Services().Get(i).Methods()
		for j := range methods.Len() {
			method := methods.Get(j)
			procedure := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
			d, err := declared(method)
			if _, has := s[procedure]; has && d.rule == nil && err == nil {
				d = builtInDeclaration()
			}
			s[procedure] = readDeclaration{d, method, err, own}
		}
	}
}

// ownOfEither returns the procedures that are not merely imported on both sides,
// in order.
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
