package devissuer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ostiary/ostiary/server/devissuer"
)

func ExampleMint() {
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	issuer, err := devissuer.New(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/.well-known/", issuer)
	mux.Handle("/dev/", issuer)
	server.Config.Handler = mux
	server.Start()
	defer server.Close()

	token, err := devissuer.Mint(context.Background(), url, devissuer.Request{As: "ada"})
	fmt.Println(strings.Count(token, "."), err)
	_, err = devissuer.Mint(context.Background(), url, devissuer.Request{As: "eve"})
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// the development issuer refuses: unknown persona "eve": use one of ada, ben, cleo, olga, robo
}
