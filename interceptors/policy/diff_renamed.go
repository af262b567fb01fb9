package policy

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A likeness is what speaks for two methods being the same under two names, "" where
// nothing does. It is told whether the service is in both schemas.
type likeness func(method protoreflect.MethodDescriptor, stays bool) string

// likenesses are all of them, the strongest first: a service that is in another
// package, one that has another name, and a method that has.
var likenesses = [...]likeness{
	func(m protoreflect.MethodDescriptor, _ bool) string {
		return string(m.Parent().Name()) + "/" + string(m.Name())
	},
	func(m protoreflect.MethodDescriptor, stays bool) string {
		if stays {
			return ""
		}
		return string(m.Name())
	},
	func(m protoreflect.MethodDescriptor, _ bool) string {
		if m.Input().FullName().Parent() == "google.protobuf" { // as Empty is the request of many
			return ""
		}
		return string(m.Input().FullName())
	},
}

// formerNames returns, for a method that is new, the one that is gone and that it
// may be. No schema tells of a renaming.
func formerNames(was, is side) map[string]string {
	gone, added := was.without(is), is.without(was)
	served, serves := was.services(), is.services()
	former := make(map[string]string)
	for _, of := range likenesses {
		alike := make(map[string][]string)
		for _, old := range gone {
			method := was[old].method
			t := of(method, serves[method.Parent().FullName()])
			alike[t] = append(alike[t], old)
		}
		found := make(map[string]bool)
		for _, now := range added {
			method := is[now].method
			t := of(method, served[method.Parent().FullName()])
			if t == "" || len(alike[t]) == 0 {
				continue
			}
			former[now] = nearest(now, alike[t])
			found[former[now]], found[now] = true, true
		}
		isFound := func(procedure string) bool { return found[procedure] }
		gone, added = slices.DeleteFunc(gone, isFound), slices.DeleteFunc(added, isFound)
	}
	return former
}

// nearest returns the name that begins and ends as this one does, for as long as
// any.
func nearest(name string, others []string) string {
	return slices.MaxFunc(others, func(a, b string) int { return shared(name, a) - shared(name, b) })
}

func shared(a, b string) int {
	shorter := min(len(a), len(b))
	start, end := 0, 0
	for start < shorter && a[start] == b[start] {
		start++
	}
	for start+end < shorter && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return start + end
}

// without returns the procedures that only this side has, in order.
func (s side) without(other side) []string {
	var only []string
	for _, procedure := range slices.Sorted(maps.Keys(s)) {
		if _, both := other[procedure]; !both {
			only = append(only, procedure)
		}
	}
	return only
}

func (s side) services() map[protoreflect.FullName]bool {
	all := make(map[protoreflect.FullName]bool)
	for _, d := range s {
		if d.method != nil {
			all[d.method.Parent().FullName()] = true
		}
	}
	return all
}

// renamed tells what is looser of a new method than of the one that it may have
// been. What lets more callers pass in any case needs no guess.
func (c *comparison) renamed(former string, old, now readDeclaration) {
	if slices.ContainsFunc(c.changes, func(told Change) bool { return told.Verdict.Loosens() }) {
		return
	}
	same := comparison{was: old.method, is: now.method}
	same.compare(old.rule, now.rule)
	for _, change := range same.changes {
		if change.Verdict.Loosens() {
			c.add(Undecidable, "if this is %s under another name: %s", former, change.Text)
		}
	}
}
