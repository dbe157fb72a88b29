package main

import (
	"fmt"
	"io"

	"github.com/cli/browser"
)

// browse shows a URL in the user's browser.
func (p *program) browse(url string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	if err := browser.OpenURL(url); err != nil {
		return &usageError{problem: "no browser could be started: " + err.Error(), hint: "the URL is " + url}
	}
	_, err := fmt.Fprintln(p.err, "opened "+url)
	return err
}
