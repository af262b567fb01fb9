package server

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// rulesElsewhere returns the rules in the images of the settings; nil without any.
func (c Config) rulesElsewhere() (*policy.Policy, error) {
	if len(c.AccessImages) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	var files []protoreflect.FileDescriptor
	for _, name := range c.AccessImages {
		inImage, err := readImage(name)
		if err != nil {
			return nil, err
		}
		files = append(files, inImage...)
	}
	rules, err := policy.New(policy.Files(files...), condition.Evaluator(), policy.Clock(c.WithDefaults().Now))
	if err != nil {
		return nil, fmt.Errorf("%w; for details run ostiary policy check --image FILE", err)
	}
	return rules, nil
}

func readImage(name string) ([]protoreflect.FileDescriptor, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file; name one that buf build -o has made", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	defer func() { _ = file.Close() }()
	return policydiff.ReadImageFrom(file, name)
}
