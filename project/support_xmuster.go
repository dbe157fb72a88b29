package project

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// xMusterRows has a row for each key below x-muster, as our schema has them. What is reserved is warned about by the loader.
func xMusterRows() []Row {
	var schema struct {
		Defs map[string]*keyOfMuster `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(extensionSchema), &schema); err != nil {
		panic("the schema of x-muster is broken: " + err.Error()) // it is part of the program
	}
	var out []Row
	for part, prefix := range map[string]string{"top": "", "service": "services.*.", "dependency": "services.*.depends_on.*."} {
		out = append(out, Row{Key: prefix + extensionKey, Support: Honoured, Note: "muster's own; other tools leave it alone"})
		schema.Defs[part].rows(schema.Defs, prefix+extensionKey, &out)
	}
	return out
}

// ofMuster says whether the key is below x-muster.
func (r Row) ofMuster() bool { return slices.Contains(strings.Split(r.Key, "."), extensionKey) }

// keyOfMuster is what the schema of x-muster says of a key.
type keyOfMuster struct {
	Ref         string `json:"$ref"`
	Description string
	Reserved    bool
	Properties  map[string]*keyOfMuster
}

// rows adds those below a key. Elements of lists are told by the list: a probe may have probes.
func (k *keyOfMuster) rows(defs map[string]*keyOfMuster, path string, out *[]Row) {
	for _, name := range sortedKeys(k.Properties) {
		is := *k.Properties[name]
		if of := defs[strings.TrimPrefix(is.Ref, "#/$defs/")]; of != nil {
			is.Properties = of.Properties
			if is.Description == "" {
				is.Description = of.Description
			}
		}
		row := Row{Key: path + "." + name, Support: Honoured, Note: clause(is.Description)}
		if is.Reserved {
			row.Support, row.Note = Warned, "its meaning is still to come"
		}
		*out = append(*out, row)
		is.rows(defs, row.Key, out)
	}
}

// clause makes a sentence of the schema one that may follow a colon.
func clause(sentence string) string {
	if sentence == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(sentence)
	return strings.TrimSuffix(string(unicode.ToLower(first))+sentence[size:], ".")
}
