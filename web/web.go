// Package web holds the console's built pages, which the server embeds:
//
//	console, err := web.Console()
//	index, err := fs.ReadFile(console, "index.html")
//
// They are built from console/ by `make web` and committed, so that Go alone is
// enough to build the server.
package web

import (
	"embed"
	"io/fs"
)

//go:embed console/dist
var built embed.FS

// Console returns the files of the console: index.html, favicon.svg and what they
// need in assets/, whose names change with their content.
func Console() (fs.FS, error) { return fs.Sub(built, "console/dist") }
