// Package proto has the text of the schema that other schemas import. The Go code
// generated from it is in gen/ostiary/policy/v1.
package proto

import _ "embed"

// PolicyFile is where schemas import the rules from, below the folder of their
// sources.
const PolicyFile = "ostiary/policy/v1/policy.proto"

// Policy is the text of PolicyFile.
//
//go:embed ostiary/policy/v1/policy.proto
var Policy string
