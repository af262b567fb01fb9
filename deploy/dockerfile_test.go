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
	ignored []string          // names of what it never takes
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

// copyTree copies a file, or a directory's content, but not what has one of the names.
func copyTree(target, source string, ignored []string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(ignored, entry.Name()) {
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
