// Package fields knows what a service can have, so that tests of an engine's adapter notice a field that came with a new compose-go
// and that nobody has decided about.
package fields

import (
	"reflect"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Field is one of a service.
type Field struct {
	Name string // in Go
	Key  string // in the file
}

// OfService are the fields of a service that a file can set.
func OfService() []Field { return of(reflect.TypeFor[types.ServiceConfig]()) }

func of(s reflect.Type) []Field {
	var out []Field
	for i := range s.NumField() {
		f := s.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous:
			out = append(out, of(f.Type)...)
		case key != "-":
			out = append(out, Field{f.Name, key})
		}
	}
	return out
}
