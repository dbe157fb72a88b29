package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/cmd/muster/listing"
)

// The table of ps is that of its template, to the byte; with what a table cannot have in a cell it leaves it to that.
func TestPsTable(t *testing.T) {
	now := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	one := listing.Container{
		ID: "0123456789abcdef", Name: "shop-web-1", Service: "web", Image: "web:1", Command: "serve --all of it, and more", Status: "running", Since: "Up 2 hours",
		Created: now.Add(-2 * time.Hour), Ports: []listing.Port{{HostIP: "::", Published: 80, Target: 8080, Protocol: "tcp"}},
	}
	with := func(change func(c *listing.Container)) listing.Container {
		c := one
		change(&c)
		return c
	}
	for _, c := range []struct {
		what string
		of   []listing.Container
		left bool // to the template
	}{
		{"nothing", nil, false},
		{"one", []listing.Container{one}, false},
		{"empty cells", []listing.Container{{Status: "running"}, one, {Status: "running"}}, false},
		{"no ports", []listing.Container{with(func(c *listing.Container) { c.Ports = nil })}, false},
		{"wide characters", []listing.Container{one, with(func(c *listing.Container) {
			c.Service, c.Command = "漢字漢字漢字é", "écho 漢字漢字漢字漢字漢字漢字漢字漢字"
		})}, false},
		{"broken characters", []listing.Container{one, with(func(c *listing.Container) { c.Service = "a\xc3\x28b\xe6" })}, false},
		{"control characters", []listing.Container{one, with(func(c *listing.Container) { c.Service = "a\x00\r\x1bb" })}, false},
		{"markup", []listing.Container{with(func(c *listing.Container) { c.Service, c.Command = "<b>&amp;", "<b> & c" })}, false},
		{"long cells", []listing.Container{with(func(c *listing.Container) { c.Name = strings.Repeat("long-", 30) }), one}, false},
		{"cells of seven", []listing.Container{with(func(c *listing.Container) { c.Name, c.Service, c.Image = "1234567", "123456", "12345678" })}, false},
		{"a tab", []listing.Container{one, with(func(c *listing.Container) { c.Service = "a\tb" })}, true},
		{"a line", []listing.Container{one, with(func(c *listing.Container) { c.Service = "a\nb" })}, true},
		{"an escape", []listing.Container{one, with(func(c *listing.Container) { c.Service = "a\xffb" })}, true},
	} {
		view := listing.View{Project: "shop", As: listing.Table}
		rows := view.Rows(c.of, now)
		var want bytes.Buffer
		if err := printTemplate(&want, listing.TableFormat, psHeadings(), asAny(rows)); err != nil {
			t.Fatal(err)
		}
		got, ok := view.Text(rows)
		if ok == c.left || ok && string(got) != want.String() {
			t.Errorf("%s: %v\n%qwant\n%q", c.what, ok, got, want.String())
		}
	}
}
