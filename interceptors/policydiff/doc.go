// Package policydiff compares the rules of two schemas: what does a change mean for
// who may call each method?
//
//	before, err := policydiff.ReadImage(old)
//	after, err := policydiff.ReadImage(new)
//	for _, change := range policydiff.Diff(before, after) {
//		fmt.Println(change.Verdict, change.Procedure, change.Text)
//	}
//
// It is for tools, such as a check of each pull request. A server needs only
// package policy.
package policydiff
