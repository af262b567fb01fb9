package gatewayauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth/internal/shelfv1"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

func ExampleWithGuard() {
	rules, err := policy.New(policy.Linked(), condition.Enable())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := &auth.Guard{Authenticator: guardtest.Authenticator{}, Policy: rules} // yours is from ostiary.New

	mux := runtime.NewServeMux(gatewayauth.WithGuard(guard))
	if err := shelfv1.RegisterShelfServiceHandlerServer(context.Background(), mux, new(shelf)); err != nil {
		fmt.Println(err)
		return
	}
	handler := httpauth.RequireGuard(guard, mux)

	for _, token := range []string{"", guardtest.GoodToken} {
		request := httptest.NewRequest(http.MethodGet, "/v1/books/ulysses", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(answer.Code, answer.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 401 Bearer error="invalid_token", error_description="TOKEN_MALFORMED"
	// 200
}
