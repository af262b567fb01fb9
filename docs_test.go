package ostiary_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// documents are those whose claims are tested: README.md and what lies in docs.
func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, name := range append(names, "README.md", "SECURITY.md", "examples/README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.ToSlash(name)] = string(text)
	}
	return texts
}

// blocks returns the fenced blocks of a language in a document.
func blocks(text, language string) (found []string) {
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```\n").FindAllStringSubmatch(text, -1) {
		found = append(found, block[1])
	}
	return found
}

// onOneLine is text with one space where there was any white space.
func onOneLine[T string | []byte](text T) string {
	return strings.Join(strings.Fields(string(text)), " ")
}

// sources returns every file of the repository with this ending, each on one line.
func sources(t *testing.T, ending string) (texts []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"node_modules", "gen", "testdata", ".git", "bin", "docs"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ending:
			return nil
		}
		text, err := os.ReadFile(name)
		texts = append(texts, onOneLine(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestSnippetsAreCompiled has every piece of Go and of proto in the documents occur in a
// file that is compiled, which for Go the tests are too.
func TestSnippetsAreCompiled(t *testing.T) {
	t.Parallel()
	for language, least := range map[string]int{"go": 20, "proto": 1} {
		compiled, shown := sources(t, "."+language), 0
		for name, text := range documents(t) {
			if language == "proto" && name == "docs/policy.md" {
				continue // shows more of the language than one project needs; bufproject has buf compile it
			}
			for _, block := range blocks(text, language) {
				shown++
				if !slices.ContainsFunc(compiled, func(source string) bool { return strings.Contains(source, onOneLine(block)) }) {
					t.Errorf("%s shows what no %s file has:\n%s", name, language, block)
				}
			}
		}
		if shown < least {
			t.Errorf("%d blocks of %s; want %d at least", shown, language, least)
		}
	}
}

// TestAGuardTakesEightLines has the README put the guard into each server in at most eight
// lines, those that handle errors among them.
func TestAGuardTakesEightLines(t *testing.T) {
	t.Parallel()
	first := blocks(documents(t)["README.md"], "go")
	if len(first) < 3 {
		t.Fatalf("%d blocks of Go; want those of connect, grpc-go and net/http first", len(first))
	}
	for _, block := range first[:3] {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.Contains(block, "ostiary.New(") || !strings.Contains(block, "return err") || len(lines) > 8 {
			t.Errorf("%d lines; want at most 8, with ostiary.New and what is done with its error:\n%s", len(lines), block)
		}
	}
}

// TestTheExamplesHaveTheSchema keeps the copy that ostiary policy init has written.
func TestTheExamplesHaveTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("proto/ostiary/policy/v1/policy.proto")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile("examples/proto/ostiary/policy/v1/policy.proto")
	if err != nil {
		t.Fatal(err)
	}
	if _, rest, _ := bytes.Cut(written, []byte("\n\n")); !bytes.Equal(rest, schema) {
		t.Error("examples/proto/ostiary/policy/v1/policy.proto is out of date: run 'ostiary policy init' in examples")
	}
}

// TestTheIndexNamesEveryPage has docs/README.md link to all pages and decisions.
func TestTheIndexNamesEveryPage(t *testing.T) {
	t.Parallel()
	index := documents(t)["docs/README.md"]
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, decisions...) {
		link := strings.TrimPrefix(filepath.ToSlash(page), "docs/")
		if link != "README.md" && !strings.Contains(index, "]("+link+")") {
			t.Errorf("docs/README.md does not link to %s", link)
		}
	}
}

// TestEveryReasonHasItsEntry has the links of refusals and errors lead to entries of
// docs/troubleshooting.md, and every entry there be that of a reason.
func TestEveryReasonHasItsEntry(t *testing.T) {
	t.Parallel()
	const page = "docs/troubleshooting.md"
	if !strings.HasSuffix(auth.TroubleshootingURL, "/"+page) {
		t.Errorf("the links lead to %s", auth.TroubleshootingURL)
	}
	text := documents(t)[page]
	linked := make(map[string]bool)
	values := errorv1.Reason(0).Descriptor().Values()
	for i := 1; i < values.Len(); i++ {
		reason := strings.TrimPrefix(string(values.Get(i).Name()), "REASON_")
		url := auth.HelpFor(reason).GetLinks()[0].GetUrl()
		_, anchor, _ := strings.Cut(url, auth.TroubleshootingURL+"#")
		linked[anchor] = true
		if entry := `<a id="` + anchor + `"></a>` + reason; strings.Count(text, entry) != 1 {
			t.Errorf("%s has not %s once, to which %s leads", page, entry, url)
		}
	}
	for _, named := range namedLine.FindAllStringSubmatch(text, -1) {
		if !linked[named[1]] {
			t.Errorf("%s has an entry for %s, which is no reason", page, named[1])
		}
	}
}

var (
	fenced     = regexp.MustCompile("(?s)```.*?\n```\n")
	quotedCode = regexp.MustCompile("`[^`\n]+`")
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingOf  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInLinks = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	namedLine  = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
)

// TestLinksLeadSomewhere has the files and headings that the documents link to exist.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, text := range documents(t) {
		text = quotedCode.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
		for _, link := range linkTarget.FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(link[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			} else if heading != "" && !slices.Contains(anchors(t, target), heading) {
				t.Errorf("%s links to %s, which has no such heading", name, link[1])
			}
		}
	}
}

// anchors are what links into a document can name: its headings, as GitHub spells them,
// and what it names itself.
func anchors(t *testing.T, name string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range headingOf.FindAllStringSubmatch(string(text), -1) {
		found = append(found, strings.ReplaceAll(notInLinks.ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-"))
	}
	for _, named := range namedLine.FindAllStringSubmatch(string(text), -1) {
		found = append(found, named[1])
	}
	return found
}
