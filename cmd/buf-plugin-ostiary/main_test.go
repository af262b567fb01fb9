package main

import (
	"testing"

	"buf.build/go/bufplugin/check/checktest"
)

func TestSpec(t *testing.T) {
	t.Parallel()
	checktest.SpecTest(t, spec())
}

// Comments in the schema of testdata name the fault of each method.
func TestFaultsAreFoundAtTheirMethods(t *testing.T) {
	t.Parallel()
	at := func(start, end int) *checktest.ExpectedFileLocation {
		return &checktest.ExpectedFileLocation{
			FileName: "acme/note/v1/note.proto", StartLine: start - 1, StartColumn: 2, EndLine: end - 1, EndColumn: 3,
		}
	}
	oneLine := at(16, 16)
	oneLine.EndColumn = 39
	checktest.CheckTest{
		Spec: spec(),
		Request: &checktest.RequestSpec{Files: &checktest.ProtoFileSpec{
			DirPaths:  []string{"testdata", "../../proto"},
			FilePaths: []string{"acme/note/v1/note.proto"},
		}},
		ExpectedAnnotations: []checktest.ExpectedAnnotation{
			{
				RuleID:       ruleRequired,
				Message:      "/acme.note.v1.NoteService/Forgotten: no rule: set (ostiary.policy.v1.rule) on the method or (ostiary.policy.v1.default_rule) on its service",
				FileLocation: oneLine,
			},
			{
				RuleID:       ruleValid,
				Message:      `/acme.note.v1.NoteService/Wildcard: any_role: "org:*" has a wildcard, which is not supported; list each name`,
				FileLocation: at(17, 19),
			},
			{
				RuleID:       ruleValid,
				Message:      "/acme.note.v1.NoteService/Misspelt: condition, line 1, column 8: undefined field 'ownr'",
				FileLocation: at(20, 22),
			},
		},
	}.Run(t)
}
