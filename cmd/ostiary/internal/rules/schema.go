// Package rules has the commands for the rules of a schema: to add, list, check and compare them.
//
//	schema := rules.Schema{Image: "image.binpb"}
//	policy, err := schema.ReadSound(stdin)
package rules

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// A Schema is where a command finds the rules.
type Schema struct {
	// Image is the file of the schema, or - for standard input; "" means ostiary's own services.
	Image string
	// Config is the YAML file of settings with more rules; "" for none.
	Config string
}

func (s *Schema) addFlags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&s.Image, "image", "", "schema image `file`, or - for standard input (default: ostiary's own services)")
	cmd.Flags().StringVar(&s.Config, "config", "", "YAML settings `file`, for its rules of ostiary's own services, or else of those in the image")
}

// check refuses flags that are empty.
func (s *Schema) check(cmd *cobra.Command) error {
	if err := usage.NotEmpty(cmd.Flags(), "image", "config"); err != nil {
		return usage.Wrong(err)
	}
	return nil
}

// read returns the rules. If any is invalid, the error is a policy.RuleErrors.
func (s *Schema) read(stdin io.Reader) (*policy.Policy, error) {
	if s.Image == "" {
		return settings.RulesInForce(s.Config)
	}
	files, err := readImage(stdin, s.Image)
	if err != nil {
		return nil, err
	}
	return settings.RulesOver(s.Config, files, condition.Enable())
}

// unmeetable returns a fault for each rule that no token of the configured issuers
// can meet. Without settings no issuer is known.
func (s *Schema) unmeetable(rules *policy.Policy) policy.RuleErrors {
	if s.Config == "" {
		return nil
	}
	return serversettings.UnmeetableRules(rules, settings.IssuersInForce(s.Config, os.Environ()))
}

// ReadSound is read for commands that need every rule to be valid.
func (s *Schema) ReadSound(stdin io.Reader) (*policy.Policy, error) {
	rules, err := s.read(stdin)
	var broken policy.RuleErrors
	if errors.As(err, &broken) {
		return nil, fmt.Errorf("%s in the rules; for details run ostiary policy check with the same --image or --config", terminal.Count(len(broken), "fault"))
	}
	return rules, err
}

// entries returns the rules that the schema itself has.
func (s *Schema) entries(rules *policy.Policy) []policy.Entry {
	var own []policy.Entry
	for _, entry := range rules.Entries() {
		if s.Image == "" || entry.Origin.Source != policy.SourceBuiltIn {
			own = append(own, entry)
		}
	}
	return own
}

// readImage reads the image in a file, or where the name is - on standard input.
func readImage(stdin io.Reader, name string) ([]protoreflect.FileDescriptor, error) {
	if name == "-" {
		return policydiff.ReadImageFrom(stdin, "standard input")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	defer func() { _ = file.Close() }()
	return policydiff.ReadImageFrom(file, name)
}
