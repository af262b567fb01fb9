package server

import (
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// maxImageBytes is how large an image can be, far larger than those of big companies are.
const maxImageBytes = 256 << 20

// rulesElsewhere returns the rules in the images of the settings; nil without any.
func (c Config) rulesElsewhere() (*policy.Policy, error) {
	if len(c.AccessImages) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	var files []protoreflect.FileDescriptor
	for _, name := range c.AccessImages {
		inImage, err := readImage(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
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
		return nil, errors.New("not a file; name one that buf build -o has made")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, errors.Unwrap(err) // without the name
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxImageBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxImageBytes:
		return nil, fmt.Errorf("larger than %d MiB, so not a schema image; create one with buf build -o image.binpb", maxImageBytes>>20)
	}
	return policydiff.ReadImage(data)
}
