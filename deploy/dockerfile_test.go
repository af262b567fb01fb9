package deploy_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An image is what the instructions of a Dockerfile make, in a directory of this machine.
type image struct {
	Root       string // with the files; nothing of the base image is in it
	Scratch    bool   // whether it has no base image
	Dir        string // WORKDIR
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
}

// A build follows a Dockerfile without a container engine: what runs, runs on this machine.
type build struct {
	t       *testing.T
	context string            // the directory that COPY takes from
	ignored []string          // patterns of names that it never takes
	stages  map[string]string // the roots of stages by their name
}

// run returns the last stage. A stage that is there already, in b.stages, is left out.
func (b *build) run(dockerfile string) image {
	b.t.Helper()
	var img image
	var name string
	given := false
	for _, line := range b.instructions(dockerfile) {
		instruction, rest, _ := strings.Cut(line, " ")
		args := slices.DeleteFunc(strings.Fields(rest), func(arg string) bool { return strings.HasPrefix(arg, "--mount=") })
		if instruction == "FROM" {
			name = ""
			if as := slices.Index(args, "AS"); as > 0 {
				name = args[as+1]
			}
			_, given = b.stages[name]
			img = image{Root: b.t.TempDir(), Scratch: args[0] == "scratch", Dir: "/", User: "0"}
			if !given {
				b.stages[name] = img.Root
			}
			continue
		}
		if given {
			continue
		}
		switch instruction {
		case "ARG", "LABEL", "EXPOSE", "VOLUME", "HEALTHCHECK":
		case "WORKDIR":
			img.Dir = args[0]
			b.must(os.MkdirAll(filepath.Join(img.Root, img.Dir), 0o755))
		case "COPY":
			b.copy(&img, args)
		case "RUN":
			cmd := exec.Command("sh", "-euc", strings.Join(args, " "))
			cmd.Dir = filepath.Join(img.Root, img.Dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.t.Fatalf("%s: RUN %s: %v\n%s", dockerfile, strings.Join(args, " "), err, out)
			}
		case "ENV":
			img.Env = append(img.Env, args...)
		case "USER":
			img.User, _, _ = strings.Cut(args[0], ":")
		case "ENTRYPOINT":
			b.must(json.Unmarshal([]byte(rest), &img.Entrypoint))
		case "CMD":
			b.must(json.Unmarshal([]byte(rest), &img.Cmd))
		default:
			b.t.Fatalf("%s: this test does not know %q", dockerfile, line)
		}
	}
	return img
}

// instructions returns one line for each.
func (b *build) instructions(dockerfile string) []string {
	b.t.Helper()
	text, err := os.ReadFile(dockerfile)
	b.must(err)
	var list []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

func (b *build) copy(img *image, args []string) {
	b.t.Helper()
	from, ignored := b.context, b.ignored
	var paths []string
	for _, arg := range args {
		if stage, found := strings.CutPrefix(arg, "--from="); found {
			from, ignored = b.stages[stage], nil
		} else if !strings.HasPrefix(arg, "--") {
			paths = append(paths, arg)
		}
	}
	source, target := filepath.Join(from, paths[0]), paths[1]
	if !filepath.IsAbs(target) {
		target = filepath.Join(img.Dir, target)
	}
	if info, err := os.Stat(source); err == nil && !info.IsDir() && strings.HasSuffix(paths[1], "/") {
		target = filepath.Join(target, filepath.Base(source))
	}
	b.must(copyTree(filepath.Join(img.Root, target), source, ignored))
}

func (b *build) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// ignoredBy returns the patterns of names, at any depth, that a .dockerignore lists.
func ignoredBy(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var patterns []string
	for line := range strings.Lines(string(text)) {
		if pattern, found := strings.CutPrefix(strings.TrimSpace(line), "**/"); found {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// Next.js reads settings, which may be secrets, from several files, and takes some of them into what it builds.
func TestTheImageOfThePageHasNoSettings(t *testing.T) {
	t.Parallel()
	context, copied := t.TempDir(), t.TempDir()
	for _, name := range []string{".env", ".env.local", ".env.production", ".env.production.local", "page.tsx"} {
		if err := os.WriteFile(filepath.Join(context, name), []byte("CLERK_SECRET_KEY=sk_live_x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyTree(copied, context, ignoredBy("../examples/nextjs-clerk/Dockerfile.dockerignore")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(copied)
	if err != nil || len(entries) != 1 || entries[0].Name() != "page.tsx" {
		t.Errorf("the image gets %v, %v; want page.tsx alone", entries, err)
	}
}

// copyTree copies a file, or a directory's content, but not what has a name of one of the patterns.
func copyTree(target, source string, ignored []string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(ignored, func(pattern string) bool { matches, _ := filepath.Match(pattern, entry.Name()); return matches }) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		within, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, within)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, to)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, info.Mode().Perm())
	})
}
