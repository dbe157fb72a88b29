package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/docker/cli/templates"

	"github.com/musterhq/muster/cmd/muster/listing"
)

// printTemplate prints a row for each value by a Go template as docker's
// --format takes it; one that begins with "table" gets headings, which are the names
// of the fields unless headings has better ones.
func printTemplate(w io.Writer, format string, headings map[string]string, rows []any) error {
	return printColumns(w, narrow, format, headings, rows)
}

// The least width of a table's columns: scripts cut docker compose's tables at fixed places, so that ours have the same.
const (
	narrow = 10 // of those that docker's formatter prints
	broad  = 20 // of those that docker compose prints itself
)

// printColumns is printTemplate with columns of at least some width.
func printColumns(w io.Writer, least int, format string, headings map[string]string, rows []any) error {
	out := bufio.NewWriter(w) // else each cell is a write of its own
	err := writeColumns(out, least, format, headings, rows)
	return cmp.Or(err, out.Flush())
}

func writeColumns(w io.Writer, least int, format string, headings map[string]string, rows []any) error {
	text, table := strings.CutPrefix(format, "table")
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.TrimSpace(text))
	tmpl, err := templates.New("format").Parse(text)
	if err != nil {
		return &usageError{problem: fmt.Sprintf("format %q is not a template: %v", format, err)}
	}
	if table {
		tabs := tabwriter.NewWriter(w, least, 1, 3, ' ', 0)
		if err := printHeadings(tabs, text, headings, rows); err != nil {
			return err
		}
		if err := executeRows(tabs, tmpl, rows); err != nil {
			return err
		}
		return tabs.Flush()
	}
	return executeRows(w, tmpl, rows)
}

func executeRows(w io.Writer, tmpl *template.Template, rows []any) error {
	for _, row := range rows {
		if err := tmpl.Execute(w, row); err != nil {
			return &usageError{problem: err.Error()}
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// printHeadings runs the template over the names of the fields.
func printHeadings(w io.Writer, text string, headings map[string]string, rows []any) error {
	tmpl, err := template.New("headings").Funcs(templates.HeaderFunctions).Parse(text)
	if err != nil {
		return &usageError{problem: err.Error()}
	}
	heads := map[string]any{"Label": func(name string) string { return strings.ToUpper(name) }}
	for _, name := range append(fieldNames(rows), mapNames(headings)...) {
		heads[name] = strings.ToUpper(name)
		if h, ok := headings[name]; ok {
			heads[name] = h
		}
	}
	if err := tmpl.Execute(w, heads); err != nil {
		return &usageError{problem: err.Error()}
	}
	_, err = fmt.Fprintln(w)
	return err
}

// fieldNames are the exported fields of a row.
func fieldNames(rows []any) []string {
	var of reflect.Type = reflect.TypeFor[listing.Row]()
	if len(rows) > 0 {
		of = reflect.TypeOf(rows[0])
	}
	var names []string
	for i := range of.NumField() {
		if of.Field(i).IsExported() {
			names = append(names, of.Field(i).Name)
		}
	}
	return names
}

func mapNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	return names
}
