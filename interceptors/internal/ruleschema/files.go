package ruleschema

import "google.golang.org/protobuf/reflect/protoreflect"

// WithImports returns files and all that they import, directly or not, each once.
func WithImports(files ...protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	seen := make(map[string]bool)
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		all = append(all, f)
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
	}
	for _, file := range files {
		add(file)
	}
	return all
}
