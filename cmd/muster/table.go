package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// encodeLine writes a value as JSON in a line.
func encodeLine(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// checkFormat refuses a format that is none of those that a command knows.
func checkFormat(format string, known ...string) error {
	for _, k := range known {
		if format == k {
			return nil
		}
	}
	return &usageError{problem: fmt.Sprintf("unsupported format %q", format), hint: "there are " + strings.Join(known, ", ")}
}
