package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
	"github.com/ostiary/ostiary/server"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Add, list, check, compare and explain the rules of a schema",
		Long: `Add the schema of the rules to a project, or list, check, compare and explain the
rules that a schema gives its methods: the schema of ostiary's own services, or any
schema in an image.

Create an image with "buf build -o image.binpb", or with protoc --include_imports
--include_source_info --descriptor_set_out=image.binpb. It must be binary, not
compressed, and at most 256 MiB.`,
		Example: `  ostiary policy init
  ostiary policy list
  buf build -o - | ostiary policy check --image -
  ostiary policy diff --fail-on-loosening old.binpb new.binpb`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyInit(), newPolicyList(), newPolicyCheck(), newPolicyDiff(), newPolicyExplain())
	return cmd
}

// A schema is where a command finds the rules.
type schema struct{ image, config string }

func (s *schema) addFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&s.image, "image", "", "schema image `file`, or - for standard input (default: ostiary's own services)")
	cmd.Flags().StringVar(&s.config, "config", "", "YAML settings `file`, for its rules of ostiary's own services, or else of those in the image")
}

// check refuses flags that are empty.
func (s *schema) check(cmd *cobra.Command) error {
	if err := notEmpty(cmd.Flags(), "image", "config"); err != nil {
		return usageError{err}
	}
	return nil
}

// read returns the rules. If any is invalid, the error is a policy.RuleErrors.
func (s *schema) read(stdin io.Reader) (*policy.Policy, error) {
	if s.image == "" {
		return settings.RulesInForce(s.config)
	}
	files, err := readImage(stdin, s.image)
	if err != nil {
		return nil, err
	}
	return settings.RulesOver(s.config, files, condition.Evaluator())
}

// unmeetable returns a fault for each rule that no token of the configured issuers
// can meet. Without settings no issuer is known.
func (s *schema) unmeetable(rules *policy.Policy) policy.RuleErrors {
	if s.config == "" {
		return nil
	}
	return server.UnmeetableRules(rules, settings.IssuersInForce(s.config, os.Environ()))
}

// readSound is read for commands that need every rule to be valid.
func (s *schema) readSound(stdin io.Reader) (*policy.Policy, error) {
	rules, err := s.read(stdin)
	var broken policy.RuleErrors
	if errors.As(err, &broken) {
		return nil, fmt.Errorf("%s in the rules; for details run ostiary policy check with the same --image or --config", countOf(len(broken), "fault"))
	}
	return rules, err
}

// entries returns the rules that the schema itself has.
func (s *schema) entries(rules *policy.Policy) []policy.Entry {
	var own []policy.Entry
	for _, entry := range rules.Entries() {
		if s.image == "" || entry.Origin.Source != policy.SourceBuiltIn {
			own = append(own, entry)
		}
	}
	return own
}

// maxImage is the largest image that is read, in bytes; far larger than those of
// big companies are.
const maxImage = 256 << 20

// readImage reads the image in a file, or where the name is - on standard input.
// One without services was built of the wrong folder, and has no rules to speak of.
func readImage(stdin io.Reader, name string) ([]protoreflect.FileDescriptor, error) {
	from := stdin
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the image: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	data, err := readAtMost(from, maxImage)
	if errors.Is(err, errTooMuch) {
		return nil, fmt.Errorf("%s: this is larger than %d MiB, so not a schema image; create one with buf build -o image.binpb", name, maxImage>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	files, err := policydiff.ReadImage(data)
	if form := otherForm(data); err != nil && form != "" {
		return nil, fmt.Errorf("%s: this is %s, not a binary schema image; create one with buf build -o image.binpb, or convert it with buf build FILE -o image.binpb", name, form)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	declares := func(file protoreflect.FileDescriptor) bool { return file.Services().Len() > 0 }
	if !slices.ContainsFunc(files, declares) {
		return nil, fmt.Errorf("%s: the image declares no services, so it has no rules; build it from the module with the services", name)
	}
	return files, nil
}

// errTooMuch is that there is more to read than there can be.
var errTooMuch = errors.New("too much to read")

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, errTooMuch
	}
	return data, err
}

// otherForm names the form of a schema that is not binary: buf and protoc also write
// compressed files, JSON, YAML and other text.
func otherForm(data []byte) string {
	isControl := func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }
	switch {
	case bytes.HasPrefix(data, []byte("\x1f\x8b")), bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")): // gzip, Zstandard
		return "compressed"
	case utf8.Valid(data) && !bytes.ContainsFunc(data, isControl):
		return "text"
	default:
		return ""
	}
}
