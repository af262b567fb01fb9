package web_test

import (
	"io/fs"
	"regexp"
	"testing"

	"github.com/ostiary/ostiary/web"
)

func TestThePageFindsEverythingThatItNames(t *testing.T) {
	t.Parallel()
	console, err := web.Console()
	if err != nil {
		t.Fatal(err)
	}
	index, err := fs.ReadFile(console, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:src|href)="/([^"]+)"`).FindAllSubmatch(index, -1)
	if len(named) < 3 {
		t.Errorf("index.html names %d files; want its icon, its style and its script at least", len(named))
	}
	for _, match := range named {
		if info, err := fs.Stat(console, string(match[1])); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", match[1], err)
		}
	}
}
