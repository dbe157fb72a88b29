package project

import (
	"slices"
	"strings"
)

// Support says what becomes of a key on a target.
type Support string

// The kinds of support.
const (
	Honoured Support = "honoured"
	Warned   Support = "warned"  // accepted, without effect, and said so
	Refused  Support = "refused" // an error
	// Informing keys concern nothing that muster does to an engine: for readers, for other tools or for
	// commands that are not there. They are accepted without a word.
	Informing Support = "informing"
)

// Row is one line of the support table.
type Row struct {
	// Key is a path of the Compose model; * stands for a name and [] for an
	// element. It speaks for everything below it that has no row of its own.
	Key     string  `json:"key"`
	Target  string  `json:"target"`
	Support Support `json:"support"`
	// API is the lowest version of the Docker Engine API that has it; empty is any.
	API string `json:"api,omitempty"`
	// Attached: it is honoured while `up` stays with the containers, and Support says what becomes of it otherwise.
	Attached bool `json:"attached,omitempty"`
	// Dropped: docker compose 2.40.3 accepts the key, makes nothing else of the file than without it, and says no word.
	Dropped bool `json:"dropped_by_docker_compose,omitempty"`
	// Note says how, or why not.
	Note string `json:"note,omitempty"`
}

// Targets are the kinds of engine that the table speaks of.
func Targets() []string { return []string{TargetDocker, TargetSwarm} }

// SupportTable is the whole table, by target and key. It is what `config --support`
// prints and what the documentation is made from.
func SupportTable() []Row {
	var out []Row
	for _, target := range Targets() {
		out = append(out, SupportOn(target)...)
	}
	return out
}

// SupportOn is the part of the table that speaks of one target, by key.
func SupportOn(target string) []Row {
	rows, dropped := slices.Concat(topLevelRows(), serviceRows(), nestedRows(), xMusterRows()), droppedByPeer()
	for i := range rows {
		rows[i].Target = TargetDocker
		rows[i].Dropped = slices.Contains(dropped, rows[i].Key)
	}
	switch target {
	case TargetDocker:
	case TargetSwarm:
		rows = swarmRows(rows)
	default:
		return nil
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Key, b.Key) })
	return rows
}

// Words is what a table says of a row, never nothing: the kind of support, the version of the
// API where there is one, and why.
func (r Row) Words() string {
	words := string(r.Support)
	if r.Attached {
		words = "honoured while `up` stays attached, else " + words
	}
	if r.API != "" {
		words += ", engine API " + r.API + " and later"
	}
	if r.Note != "" {
		words += ": " + r.Note
	}
	return words
}

// SupportOf is the row that speaks for a path on a target: its own, or that of
// the nearest piece above it.
func SupportOf(target, path string) (Row, bool) {
	parts := strings.Split(path, ".")
	var best Row
	found, most := false, 0
	for _, row := range SupportOn(target) {
		pattern := strings.Split(row.Key, ".")
		if len(pattern) > most && matchesParts(pattern, parts) {
			best, found, most = row, true, len(pattern)
		}
	}
	return best, found
}

func matchesParts(pattern, parts []string) bool {
	if len(pattern) > len(parts) {
		return false
	}
	for i, p := range pattern {
		if p != "*" && p != parts[i] {
			return false
		}
	}
	return true
}

// honoured, warned, informing and refused make rows for one section.
func honoured(prefix string, keys ...string) []Row { return rows(Honoured, prefix, "", keys...) }

func warned(prefix, note string, keys ...string) []Row { return rows(Warned, prefix, note, keys...) }

func informing(prefix, note string, keys ...string) []Row {
	return rows(Informing, prefix, note, keys...)
}

func refused(prefix, note string, keys ...string) []Row { return rows(Refused, prefix, note, keys...) }

// attached makes rows of what muster itself keeps while it stays with the containers.
func attached(rows []Row) []Row {
	for i := range rows {
		rows[i].Attached = true
	}
	return rows
}

func rows(s Support, prefix, note string, keys ...string) []Row {
	out := make([]Row, len(keys))
	for i, k := range keys {
		out[i] = Row{Key: prefix + k, Support: s, Note: note}
	}
	return out
}
