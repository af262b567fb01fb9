package main

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// A page is docs/api.md.
type page struct{ bytes.Buffer }

const introduction = `# API reference

<!-- Generated from proto/ by make generate. Do not edit. -->

Every package, service, message and enum of the schema in [proto/](../proto). A method is called as
` + "`/package.Service/Method`" + `, by Connect, gRPC or gRPC-Web. With Connect, a unary call is a POST of JSON:

    curl https://api.example.com/ostiary.session.v1.SessionService/RevokeSession \
      -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
      -d '{"currentSession": {}, "cause": "signed out"}'

In JSON (see [ProtoJSON](https://protobuf.dev/programming-guides/json/)):

- Names of fields are in camelCase, such as ` + "`sessionId`" + `; requests may also have them as the schema writes them. A field that the
  message does not have is refused with INVALID_REQUEST. Fields that are not set are left out of answers.
- Of a oneof, send just the one field that is meant, without the name of the oneof: ` + "`\"currentSession\": {}`" + `, and not
  ` + "`\"target\": {\"currentSession\": {}}`" + `. A message without fields is ` + "`{}`" + `.
- A google.protobuf.Timestamp is a string such as ` + "`\"2026-03-01T12:00:00Z\"`" + `, and a google.protobuf.Duration one such as ` + "`\"300s\"`" + `.
- An int64 is a string in answers, such as ` + "`\"revokedSessionCount\": \"2\"`" + `; an int32 is a number. An enum is the name of its value.
- The Content-Type is ` + "`application/json`" + `, without a charset or with ` + "`charset=utf-8`" + `; any other is answered with 415. Text is UTF-8.

The methods that are marked so also take a GET:
` + "`/package.Service/Method?connect=v1&encoding=json&message={…}`" + `, with the message escaped as in every URL.

`

// examples are requests of the methods that destroy, in JSON.
var examples = map[protoreflect.FullName][]string{
	"ostiary.session.v1.SessionService.RevokeSession": {
		`{"session": {"issuer": "https://clerk.example.com", "sessionId": "sess_1", "subject": "user_ben"}, "cause": "lost phone", "requestId": "0b5ae3e2-1"}`,
		`{"session": {"issuer": "https://clerk.example.com", "sessionId": "sess_1", "anySubject": {}}}`,
		`{"currentSession": {}}`,
	},
	"ostiary.session.v1.SessionService.RevokeSubject": {
		`{"subject": {"issuer": "https://clerk.example.com", "subject": "user_ben"}, "cause": "left the company", "requestId": "0b5ae3e2-2"}`,
		`{"currentSubject": {}}`,
	},
	"ostiary.revocation.v1.RevocationService.RevokeTokens": {
		`{"revocations": [{"target": {"token": {"issuer": "https://clerk.example.com", "tokenId": "jti_1"}}, "cause": "leaked"}], "requestId": "0b5ae3e2-3"}`,
		`{"revocations": [{"target": {"client": {"issuer": "https://clerk.example.com", "clientId": "client_1"}}, "issuedBeforeTime": "2026-03-01T12:00:00Z"}]}`,
		`{"revocations": [{"target": {"client": {"issuer": "https://clerk.example.com", "clientId": "client_1"}}, "allTokens": {}}]}`,
	},
	"ostiary.revocation.v1.RevocationService.ImportRevocations": {
		`{"revocations": [{"target": {"session": {"issuer": "https://clerk.example.com", "sessionId": "sess_1", "subject": "user_ben"}}}]}`,
	},
}

// document returns docs/api.md.
func document(files []protoreflect.FileDescriptor) []byte {
	p := new(page)
	p.WriteString(introduction)
	for i, file := range files {
		if i == 0 || files[i-1].Package() != file.Package() {
			fmt.Fprintf(p, "- %s", link(file.Package()))
			p.WriteString(": " + contents(files, file.Package()) + "\n")
		}
	}
	p.WriteString("\n")
	for i, file := range files {
		if i == 0 || files[i-1].Package() != file.Package() {
			p.heading(2, file.Package(), string(file.Package()))
		}
		p.file(file)
	}
	return p.Bytes()
}

// contents links the services of a package, or its messages and enums if it has none.
func contents(files []protoreflect.FileDescriptor, name protoreflect.FullName) string {
	var services, types []string
	for _, file := range files {
		if file.Package() != name {
			continue
		}
		for i := range file.Services().Len() {
			services = append(services, link(file.Services().Get(i).FullName()))
		}
		for i := range file.Messages().Len() {
			types = append(types, link(file.Messages().Get(i).FullName()))
		}
		for i := range file.Enums().Len() {
			types = append(types, link(file.Enums().Get(i).FullName()))
		}
	}
	if len(services) > 0 {
		return strings.Join(services, ", ")
	}
	return strings.Join(types, ", ")
}

func (p *page) file(file protoreflect.FileDescriptor) {
	fmt.Fprintf(p, "Declared in [%s](../proto/%[1]s).\n\n", file.Path())
	const packageField = 2 // of FileDescriptorProto
	if about := file.SourceLocations().ByPath(protoreflect.SourcePath{packageField}).LeadingComments; about != "" {
		p.WriteString(unindent(about) + "\n\n")
	}
	for i := range file.Extensions().Len() {
		p.extension(file.Extensions().Get(i))
	}
	for i := range file.Services().Len() {
		p.service(file.Services().Get(i))
	}
	for i := range file.Messages().Len() {
		p.message(file.Messages().Get(i))
	}
	for i := range file.Enums().Len() {
		p.enum(file.Enums().Get(i))
	}
}

// heading writes a heading with the full name as its anchor.
func (p *page) heading(level int, anchor protoreflect.FullName, text string) {
	fmt.Fprintf(p, "%s <a id=%q></a>%s\n\n", strings.Repeat("#", level), anchor, text)
}

// item writes an item of a list with its comment, whose further paragraphs and code
// belong to the item.
func (p *page) item(head, text string) {
	p.WriteString("- " + head + ": ")
	for i, line := range strings.Split(text, "\n") {
		if i > 0 && line != "" {
			p.WriteString("  ")
		}
		p.WriteString(line + "\n")
	}
}

func (p *page) extension(x protoreflect.ExtensionDescriptor) {
	p.heading(3, x.FullName(), "option ("+string(x.FullName())+")")
	fmt.Fprintf(p, "A %s on %s, with the number %d.\n\n%s\n\n", fieldType(x), link(x.ContainingMessage().FullName()), x.Number(), comment(x))
}

func (p *page) service(s protoreflect.ServiceDescriptor) {
	p.heading(3, s.FullName(), "service "+string(s.Name()))
	p.WriteString(comment(s) + "\n\n")
	fallback, _ := proto.GetExtension(s.Options(), policyv1.E_DefaultRule).(*policyv1.Rule)
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		p.heading(4, m.FullName(), string(m.Name()))
		fmt.Fprintf(p, "%s → %s\n\n%s\n\n", streamed(m.IsStreamingClient(), m.Input()), streamed(m.IsStreamingServer(), m.Output()), comment(m))
		rule := fallback
		if own, _ := proto.GetExtension(m.Options(), policyv1.E_Rule).(*policyv1.Rule); own != nil {
			rule = own
		}
		fmt.Fprintf(p, "Who may call: %s.\n\n", access(rule))
		if options, _ := m.Options().(*descriptorpb.MethodOptions); options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS {
			p.WriteString("Takes a GET too.\n\n")
		}
		if requests := examples[m.FullName()]; len(requests) > 0 {
			fmt.Fprintf(p, "Requests in JSON, such as:\n\n```json\n%s\n```\n\n", strings.Join(requests, "\n"))
		}
	}
}

func streamed(stream bool, m protoreflect.MessageDescriptor) string {
	if stream {
		return "stream of " + link(m.FullName())
	}
	return link(m.FullName())
}

// access says who may call, for the rules that our services have.
func access(rule *policyv1.Rule) string {
	text := "see its rule in the schema"
	switch {
	case rule.GetAuthenticated() != nil:
		text = "any caller with a valid token"
	case rule.GetPublic() != nil:
		text = "anybody"
	}
	if handler := rule.GetHandlerRequires(); handler != "" {
		text += ", where " + handler
	}
	return text
}

func (p *page) message(m protoreflect.MessageDescriptor) {
	if m.IsMapEntry() {
		return
	}
	p.heading(3, m.FullName(), "message "+local(m))
	p.WriteString(comment(m) + "\n\n")
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		group := field.ContainingOneof()
		if group == nil || group.IsSynthetic() {
			p.item(fmt.Sprintf("**%s** (%s)", field.Name(), fieldType(field)), comment(field))
			continue
		}
		if group.Fields().Get(0) == field {
			p.item(fmt.Sprintf("**%s**, one of the fields below", group.Name()), comment(group))
		}
		p.item(fmt.Sprintf("%s.**%s** (%s)", group.Name(), field.Name(), fieldType(field)), comment(field))
	}
	p.WriteString("\n")
	for i := range m.Messages().Len() {
		p.message(m.Messages().Get(i))
	}
	for i := range m.Enums().Len() {
		p.enum(m.Enums().Get(i))
	}
}

func (p *page) enum(e protoreflect.EnumDescriptor) {
	p.heading(3, e.FullName(), "enum "+local(e))
	p.WriteString(comment(e) + "\n\n")
	if reasons, err := newReasonList(e); err == nil {
		p.reasons("Of a guard", reasons.of(false))
		p.reasons("Of ostiary's own services", reasons.of(true))
		return
	}
	for i := range e.Values().Len() {
		value := e.Values().Get(i)
		p.item(fmt.Sprintf("**%s** = %d", value.Name(), value.Number()), comment(value))
	}
	p.WriteString("\n")
}

// reasons writes a table of reasons, by their names on the wire.
func (p *page) reasons(title string, reasons []reason) {
	fmt.Fprintf(p, "%s:\n\n| reason | code | why | default message |\n|---|---|---|---|\n", title)
	for _, r := range reasons {
		fmt.Fprintf(p, "| %s | %s | %s | %s |\n", r.name, r.code(), strings.ReplaceAll(r.comment, "\n", " "), r.detail.GetMessage())
	}
	p.WriteString("\n")
}

// local returns the name of a message or enum within its package.
func local(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(d.ParentFile().Package())+".")
}

// fieldType returns the type of a field, as the schema writes it.
func fieldType(field protoreflect.FieldDescriptor) string {
	var name string
	switch {
	case field.Message() != nil:
		name = link(field.Message().FullName())
	case field.Enum() != nil:
		name = link(field.Enum().FullName())
	default:
		name = field.Kind().String()
	}
	switch {
	case field.IsList():
		return "repeated " + name
	case field.HasOptionalKeyword():
		return "optional " + name
	default:
		return name
	}
}

// link returns the last part of a name within ostiary, and a link to where it is
// described; any other name as it is.
func link(name protoreflect.FullName) string {
	text := string(name)
	if !strings.HasPrefix(text, "ostiary.") {
		return "`" + text + "`"
	}
	if _, rest, found := strings.Cut(text, ".v1."); found {
		text = rest
	}
	return fmt.Sprintf("[%s](#%s)", text, name)
}
