package policydiff

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A likeness is what speaks for two methods being the same under two names.
type likeness struct {
	// of returns what such methods have in common, "" where nothing speaks for it. It is
	// told whether the service is in both schemas.
	of func(method protoreflect.MethodDescriptor, stays bool) string
	// alone is true of what speaks only where one such method is gone and one is new.
	alone bool
}

// likenesses are all of them, the strongest first: a service that is in another
// package, one that has another name, a method that has, one whose request is in
// another package, and one whose request is that of many.
var likenesses = [...]likeness{
	{of: func(m protoreflect.MethodDescriptor, _ bool) string {
		return string(m.Parent().Name()) + "/" + string(m.Name())
	}},
	{of: func(m protoreflect.MethodDescriptor, stays bool) string {
		if stays {
			return ""
		}
		return string(m.Name())
	}},
	{of: func(m protoreflect.MethodDescriptor, _ bool) string {
		if ofMany(m.Input()) {
			return ""
		}
		return string(m.Input().FullName())
	}},
	{of: func(m protoreflect.MethodDescriptor, _ bool) string {
		if ofMany(m.Input()) {
			return ""
		}
		return string(m.Input().Name())
	}},
	{alone: true, of: func(m protoreflect.MethodDescriptor, _ bool) string {
		if !ofMany(m.Input()) {
			return ""
		}
		return string(m.Parent().FullName()) + "(" + string(m.Input().FullName()) + ")"
	}},
}

// ofMany reports whether methods that have nothing to do with each other have this
// request, as they have Empty.
func ofMany(request protoreflect.MessageDescriptor) bool {
	return request.FullName().Parent() == "google.protobuf"
}

// formerNames returns, for a method that is new, those that are gone and that it may
// be, in order: all that have the strongest likeness to it that any has. What is
// matched by one likeness is left out of the weaker. No schema tells of a renaming.
func formerNames(was, is side) map[string][]string {
	gone, added := was.without(is), is.without(was)
	former := make(map[string][]string)
	for _, like := range likenesses {
		olds, news := was.grouped(gone, is, like), is.grouped(added, was, like)
		matched := make(map[string]bool)
		for key, names := range news {
			candidates := olds[key]
			if len(candidates) == 0 || like.alone && len(candidates)+len(names) > 2 {
				continue
			}
			for _, name := range names {
				former[name] = candidates
			}
			for _, name := range slices.Concat(candidates, names) {
				matched[name] = true
			}
		}
		isMatched := func(procedure string) bool { return matched[procedure] }
		gone, added = slices.DeleteFunc(gone, isMatched), slices.DeleteFunc(added, isMatched)
	}
	return former
}

// grouped returns these procedures of a side, by what they have in common.
func (s side) grouped(procedures []string, other side, like likeness) map[string][]string {
	services := other.services()
	groups := make(map[string][]string)
	for _, procedure := range procedures {
		method := s[procedure].Method
		if key := like.of(method, services[method.Parent().FullName()]); key != "" {
			groups[key] = append(groups[key], procedure)
		}
	}
	return groups
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
		if d.Method != nil {
			all[d.Method.Parent().FullName()] = true
		}
	}
	return all
}

// renamed tells what is looser of a new method than of one that it may have been:
// the one of which most is, and of several the first. What lets more callers pass in
// any case needs no guess.
func (c *comparison) renamed(candidates []string, was side, now declaration) {
	if slices.ContainsFunc(c.changes, func(told Change) bool { return told.Verdict.Loosens() }) {
		return
	}
	var former string
	var most, others []string
	for _, name := range candidates {
		switch looser := loosened(was[name], now); {
		case len(looser) > len(most):
			if former != "" {
				others = append(others, former)
			}
			former, most = name, looser
		case len(looser) > 0:
			others = append(others, name)
		}
	}
	if former == "" {
		return
	}
	text := "if this is " + former + " under another name: " + strings.Join(most, "; ")
	if len(others) > 0 {
		text += " (looser than " + strings.Join(others, " and ") + " too)"
	}
	c.add(Undecidable, "%s", text)
}

// loosened returns in words what lets, or may let, more callers pass now.
func loosened(old, now declaration) []string {
	same := comparison{was: old.Method, is: now.Method}
	same.compare(old.Rule, now.Rule)
	var texts []string
	for _, change := range same.changes {
		if change.Verdict.Loosens() {
			texts = append(texts, change.Text)
		}
	}
	return texts
}
