package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/docker/go-units"
)

// encodeLine writes a value as JSON in a line.
func encodeLine(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// encodeLines writes each of the values so.
func encodeLines[T any](w io.Writer, values []T) error {
	for _, v := range values {
		if err := encodeLine(w, v); err != nil {
			return err
		}
	}
	return nil
}

// encodeIndented writes a value as JSON for people, too.
func encodeIndented(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
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

// sizeText is a number of bytes as docker writes it: "12.3MB".
func sizeText[N int64 | uint64](bytes N) string {
	return units.HumanSizeWithPrecision(float64(bytes), 3)
}
