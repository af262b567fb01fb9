package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// makeImage builds an image from its text form.
func makeImage(ts *testscript.TestScript, _ bool, args []string) {
	set := new(descriptorpb.FileDescriptorSet)
	ts.Check(prototext.Unmarshal([]byte(ts.ReadFile(args[0])), set))
	image, err := proto.Marshal(set)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), image, 0o600))
}
