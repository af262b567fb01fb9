package connectauth_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ostiary/ostiary/gen/ostiary/access/v1/accessv1connect"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

func ExampleStrictJSON() {
	mux := http.NewServeMux()
	mux.Handle(accessv1connect.NewAccessServiceHandler(accessv1connect.UnimplementedAccessServiceHandler{}, connectauth.StrictJSON(nil)))
	server := httptest.NewServer(mux)
	defer server.Close()
	res, err := http.Post(server.URL+accessv1connect.AccessServiceListMethodRulesProcedure, "application/json", strings.NewReader(`{"page_sise": 10}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	fmt.Println(string(answer), err)
	// Output: {"code":"invalid_argument","message":"(line 1:2): unknown field \"page_sise\""} <nil>
}
