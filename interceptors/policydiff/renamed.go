package policydiff

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// No schema says that a method was renamed. So a new method may be any of the removed
// ones whose messages fit, and is compared with each of them. If a whole service was
// renamed, its methods are compared by their names.

// A renaming has the methods that were removed and those that are new.
type renaming struct {
	gone, added methods
	stay        map[protoreflect.FullName]bool    // the services that both sides have
	kept        map[[2]protoreflect.FullName]bool // the results of keeps
}

// Methods are some methods of one side.
type methods struct {
	all       []*declaration
	byName    map[protoreflect.Name][]*declaration
	byService map[protoreflect.FullName]map[protoreflect.Name]bool
}

func newRenaming(was, is side) *renaming {
	r := &renaming{
		gone: methodsOf(was.without(is)), added: methodsOf(is.without(was)),
		stay: make(map[protoreflect.FullName]bool), kept: make(map[[2]protoreflect.FullName]bool),
	}
	served := was.services()
	for service := range is.services() {
		r.stay[service] = served[service]
	}
	return r
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

func methodsOf(all []*declaration) methods {
	m := methods{
		all: all, byName: make(map[protoreflect.Name][]*declaration),
		byService: make(map[protoreflect.FullName]map[protoreflect.Name]bool),
	}
	for _, d := range all {
		name, service := d.Method.Name(), d.Method.Parent().FullName()
		m.byName[name] = append(m.byName[name], d)
		if m.byService[service] == nil {
			m.byService[service] = make(map[protoreflect.Name]bool)
		}
		m.byService[service][name] = true
	}
	return m
}

// former returns the methods that a new one may have been.
func (r *renaming) former(now *declaration) []*declaration {
	sameService := func(old *declaration) bool { return r.keeps(old.Method.Parent(), now.Method.Parent()) }
	fits := func(old *declaration) bool { return old.shapeOf().fits(now.shapeOf()) }
	if sure := filter(filter(r.gone.byName[now.Method.Name()], fits), sameService); len(sure) > 0 {
		return sure
	}
	return filter(r.gone.all, fits)
}

func filter(all []*declaration, keep func(*declaration) bool) []*declaration {
	var kept []*declaration
	for _, d := range all {
		if keep(d) {
			kept = append(kept, d)
		}
	}
	return kept
}

// keeps reports whether a removed service may be a new one under another name: only its
// package differs, or the new one has all of its methods.
func (r *renaming) keeps(old, now protoreflect.Descriptor) bool {
	if r.stay[old.FullName()] || r.stay[now.FullName()] {
		return false
	}
	if old.Name() == now.Name() {
		return true
	}
	pair := [2]protoreflect.FullName{old.FullName(), now.FullName()}
	kept, found := r.kept[pair]
	if !found {
		kept = true
		for name := range r.gone.byService[old.FullName()] {
			kept = kept && r.added.byService[now.FullName()][name]
		}
		r.kept[pair] = kept
	}
	return kept
}

// maxNamed is how many other former names are written out.
const maxNamed = 3

// renamed adds what a new method allows and a removed one, which it may have been, did
// not. It compares with the strictest removed method, and of several with the first. It
// adds nothing if the method already has a change that loosens.
func (c *comparison) renamed(candidates []*declaration) {
	if c.loosening > 0 {
		return
	}
	var former *declaration
	var most int
	var others []string
	for _, old := range candidates {
		pair := comparison{is: c.is, countOnly: true}
		pair.under(old)
		switch {
		case pair.loosening > most:
			if former != nil {
				others = append(others, former.Procedure)
			}
			former, most = old, pair.loosening
		case pair.loosening > 0:
			others = append(others, old.Procedure)
		}
	}
	if former == nil {
		return
	}
	pair := comparison{is: c.is}
	pair.under(former)
	var looser []string
	for _, change := range pair.changes {
		if change.Verdict.Loosens() {
			looser = append(looser, change.Text)
		}
	}
	text := "if this is " + former.Procedure + " under another name: " + strings.Join(looser, "; ")
	if len(others) > maxNamed {
		others = append(slices.Clone(others[:maxNamed]), fmt.Sprintf("%d more", len(others)-maxNamed))
	}
	if len(others) > 0 {
		text += " (looser than " + strings.Join(others, " and ") + " too)"
	}
	c.add(Undecidable, "%s", text)
}

// under compares a new method with one that it may have been.
func (c *comparison) under(old *declaration) {
	if old.err != nil {
		c.add(Undecidable, "its rule cannot be read")
		return
	}
	c.was = old.of()
	c.compare()
}

// A shape is the wire format of the messages of a method.
type shape struct{ request, response messageShape }

// A messageShape is the fields of a message, ordered by number.
type messageShape []fieldShape

type fieldShape struct {
	number protoreflect.FieldNumber
	wire   protowire.Type // of one element
}

// shapeOf returns the shape of the method, which is computed once.
func (d *declaration) shapeOf() *shape {
	if d.shape == nil {
		d.shape = &shape{messageShapeOf(d.Method.Input()), messageShapeOf(d.Method.Output())}
	}
	return d.shape
}

func messageShapeOf(m protoreflect.MessageDescriptor) messageShape {
	fields := make(messageShape, m.Fields().Len())
	for i := range fields {
		field := m.Fields().Get(i)
		fields[i] = fieldShape{field.Number(), wireTypeOf(field.Kind())}
	}
	slices.SortFunc(fields, func(x, y fieldShape) int { return int(x.number) - int(y.number) })
	return fields
}

func wireTypeOf(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	default:
		return protowire.VarintType
	}
}

// fits reports whether both methods can read the same bytes: fields with the same number
// have the same wire type. A message without fields fits any.
func (s *shape) fits(other *shape) bool {
	return s.request.fits(other.request) && s.response.fits(other.response)
}

func (m messageShape) fits(other messageShape) bool {
	for _, field := range m {
		for len(other) > 0 && other[0].number < field.number {
			other = other[1:]
		}
		if len(other) > 0 && other[0].number == field.number && other[0].wire != field.wire {
			return false
		}
	}
	return true
}
