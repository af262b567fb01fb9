// Eliza prints the methods of the schema that have a rule.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/ostiary/ostiary/interceptors/policy"

	"example.com/eliza/gen/connectrpc/eliza/v1/elizav1connect"
)

func main() {
	rules, err := policy.New(policy.Services(elizav1connect.ElizaServiceName))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle(elizav1connect.NewElizaServiceHandler(elizav1connect.UnimplementedElizaServiceHandler{}))
	for _, entry := range rules.Entries() {
		if entry.Origin.Source != policy.SourceBuiltIn {
			fmt.Println(entry.Procedure)
		}
	}
}
